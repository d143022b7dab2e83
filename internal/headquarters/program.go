// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package headquarters

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// programPause is how often it is asked whether another program is to be run, or other
// credentials to be shown.
const programPause = 5 * time.Second

// Superseded returns nil when the controller is to be started anew, as what it was
// told has changed; if that is its program, the other one is there to be started.
// Or else it returns when ctx ends. Given is called when what other clouds are to be
// shown has changed, which is no reason to start anew.
func (h *Host) Superseded(ctx context.Context, given func()) error {
	told := h.settings
	told.credentials = serve.Credentials{} // which never change
	for turns.Sleep(ctx, programPause) {
		var now settings
		err := bucket.Read(ctx, h.Bucket, settingsKey, &now)
		if err == nil && now.Shown != told.Shown {
			told.Shown = now.Shown
			given()
		}
		switch {
		case err == nil && reflect.DeepEqual(now, told):
			continue
		case err == nil && now.Program != told.Program:
			err = h.fetch(ctx, now.Program, filepath.Join(h.dir, hostProgram))
		}
		if err == nil {
			return nil
		}
		h.log.WarnContext(ctx, "another program could not be fetched; trying again", "error", err)
	}
	return ctx.Err()
}

// program gives the program for machines of an architecture.
func (h *Host) program(ctx context.Context, architecture string) (*agent.Program, error) {
	digest := h.settings.Programs[architecture]
	if digest == "" {
		return nil, fmt.Errorf("the controller was deployed by a program that has none for machines of linux/%s: %w", architecture, serve.ErrInvalid)
	}
	if path := h.programs.Beside(architecture); digest != h.settings.Program {
		if _, err := os.Stat(path); err != nil {
			if err := h.fetch(ctx, digest, path); err != nil {
				return nil, err
			}
		}
	}
	return h.programs.Open(architecture)
}

// fetch stores the program of a digest.
func (h *Host) fetch(ctx context.Context, digest, path string) error {
	packed, err := h.Bucket.Open(ctx, programKey(digest))
	if err != nil {
		return err
	}
	defer packed.Close()
	if err := unpack(path, packed, strings.TrimPrefix(digest, digestPrefix)); err != nil {
		return fmt.Errorf("storing program %s: %w", digest, err)
	}
	return nil
}

// unpack stores a program that is compressed, if it is the one that is wanted.
func unpack(path string, packed io.Reader, wanted string) error {
	content, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "program-*") // of which several may be under way
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), content); err != nil { //nolint:gosec // its digest is known
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != wanted {
		return fmt.Errorf("the program in the bucket is %s, and not %s", got, wanted)
	}
	if err := errors.Join(f.Chmod(0o755), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
