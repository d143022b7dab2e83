// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/serve-infra/terraform-provider-serve/internal/agent"
	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/jsonfile"
	"github.com/serve-infra/terraform-provider-serve/internal/logfile"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// hostProgram is the file of the program below the host's directory; fetch.py of
	// package bootstrap puts it there first.
	hostProgram = "controller"
	// logDir has the log, logName, and nothing else.
	logDir, logName = "log", "controller.log"
	// programPause is how often it is asked whether another program is to be run.
	programPause = 5 * time.Second
)

// Host is the machine that a controller runs on, seen from the controller.
type Host struct {
	// Service is the name of the one service of the controller.
	Service string
	// Bucket is where everything is that is to outlive the machine.
	Bucket *Bucket
	// Credentials are those of the controller's API.
	Credentials serve.Credentials
	// IP is where clients find the controller, whichever machine it is on.
	IP string

	dir      string
	log      *slog.Logger
	region   string
	settings headquarters
	config   aws.Config
	// programs are on this machine: the controller's own, and others by the digest of
	// that, so that they are those of one release.
	programs agent.Programs
	// id and own are the instance's, own the address to listen at.
	id, own string
}

// OpenHost finds out what is to be done on this machine, by the directory that the
// user data has filled.
func OpenHost(ctx context.Context, dir string, log *slog.Logger) (*Host, error) {
	h, err := openHost(ctx, dir, log)
	if err != nil {
		return nil, fmt.Errorf("finding out which controller to run: %w", err)
	}
	return h, nil
}

func openHost(ctx context.Context, dir string, log *slog.Logger) (*Host, error) {
	var told bootstrap.Host
	if err := jsonfile.Read(filepath.Join(dir, filepath.Base(bootstrap.HostFile)), &told); err != nil {
		return nil, err
	}
	first := Config{Region: told.Region, Endpoints: told.Endpoints}
	b, err := OpenBucket(ctx, BucketOptions{Config: first, Name: told.Bucket, Log: log})
	if err != nil {
		return nil, err
	}
	h := &Host{Service: told.Service, Bucket: b, dir: dir, log: log, region: told.Region}
	if err := bucket.Read(ctx, b, settingsKey, &h.settings); err != nil {
		return nil, err
	}
	if err := bucket.Read(ctx, b, credentialsKey, &h.Credentials); err != nil {
		return nil, err
	}
	h.IP = h.settings.Address.IP
	h.programs.Own, h.programs.Version = filepath.Join(dir, hostProgram), strings.TrimPrefix(h.settings.Program, "sha256:")
	if h.config, err = h.settings.Config.load(ctx, nil); err != nil {
		return nil, err
	}
	for path, into := range map[string]*string{"instance-id": &h.id, "local-ipv4": &h.own} {
		if *into, err = metadata(ctx, path); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// metadata asks about this machine.
func metadata(ctx context.Context, path string) (string, error) {
	out, err := imds.New(imds.Options{}).GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", fmt.Errorf("asking for %s of this machine: %w", path, err)
	}
	defer out.Content.Close()
	text, err := io.ReadAll(out.Content)
	if err != nil {
		return "", fmt.Errorf("asking for %s of this machine: %w", path, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Log gives a writer to the controller's log on this machine, which is rotated when
// it is full.
func Log(dir string) (io.WriteCloser, error) {
	if err := os.MkdirAll(filepath.Join(dir, logDir), 0o700); err != nil {
		return nil, fmt.Errorf("making the directory of the log: %w", err)
	}
	return logfile.Create(filepath.Join(dir, logDir, logName)), nil
}

// Logs opens the controller's log. Following ends with ctx.
func (h *Host) Logs(ctx context.Context, opt serve.LogOptions) (io.ReadCloser, error) {
	return logfile.Open(ctx, filepath.Join(h.dir, logDir, logName), opt, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

// At gives where on this machine to listen at a port.
func (h *Host) At(port int) string { return net.JoinHostPort(h.own, strconv.Itoa(port)) }

// API is where on this machine the controller's API is.
func (h *Host) API() string { return h.At(apiPort) }

// Cloud gives the cloud that the controller has machines from. What it notes of
// where they are is kept in the bucket.
func (h *Host) Cloud(ctx context.Context, o CloudOptions) (*Cloud, error) {
	var known place
	if err := bucket.Read(ctx, h.Bucket, placeKey, &known); err != nil && !errors.Is(err, serve.ErrNotFound) {
		return nil, fmt.Errorf("reading where there are machines: %w", err)
	}
	known.Config = h.settings.Config
	o.Known = known.String()
	o.Scope = func() (string, error) { return hostScope(h.region), nil }
	o.Secret = func() ([]byte, error) { return []byte(h.Credentials.Token), nil }
	o.Program = func(architecture string) (*agent.Program, error) { return h.program(ctx, architecture) }
	o.Note = func(where string) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bucket.Patience)
		defer cancel()
		_, err := h.Bucket.Put(ctx, placeKey, []byte(where), bucket.Condition{})
		return err
	}
	return NewCloud(o), nil
}

// Take has the controller's address lead to this machine from now on, and says in
// the bucket that it does.
func (h *Host) Take(ctx context.Context) error {
	for {
		_, err := h.settings.Config.ec2(h.config).AssociateAddress(ctx, &ec2.AssociateAddressInput{
			AllocationId: aws.String(h.settings.Address.ID), InstanceId: aws.String(h.id), AllowReassociation: aws.Bool(true),
		})
		if err == nil {
			break
		}
		// A machine that is not described yet, or a role that is not known everywhere.
		h.log.WarnContext(ctx, "the address could not be taken; trying again", "error", err)
		if !sleep(ctx, lookPause) {
			return fmt.Errorf("taking the address %s: %w", h.IP, meaning(err))
		}
	}
	return bucket.Write(ctx, h.Bucket, runningKey, running{Told: h.settings.digest(), Instance: h.id}, bucket.Condition{})
}

// Superseded returns nil when the controller is to be started anew, as what it was
// told has changed; if that is its program, the other one is there to be started.
// Or else it returns when ctx ends.
func (h *Host) Superseded(ctx context.Context) error {
	for sleep(ctx, programPause) {
		var now headquarters
		err := bucket.Read(ctx, h.Bucket, settingsKey, &now)
		switch {
		case err == nil && reflect.DeepEqual(now, h.settings):
			continue
		case err == nil && now.Program != h.settings.Program:
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
	packed, err := h.Bucket.Open(ctx, programsKey+strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return err
	}
	defer packed.Close()
	if err := unpack(path, packed, strings.TrimPrefix(digest, "sha256:")); err != nil {
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
