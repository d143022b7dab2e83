// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// home is the directory everything lives in, by its one true path: it is
// compared with what processes carry in their environment.
type home string

// openHome resolves root, which need not exist.
func openHome(root string) (home, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("resolving the home directory %q: %w", root, err)
	}
	switch resolved, err := filepath.EvalSymlinks(abs); {
	case err == nil:
		return home(resolved), nil
	case errors.Is(err, fs.ErrNotExist):
		return home(abs), nil
	default:
		return "", fmt.Errorf("resolving the home directory %q: %w", root, err)
	}
}

// makeHome makes root with the directories in it.
func makeHome(root string) (home, error) {
	for _, dir := range []string{"replicas", "controllers"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			return "", fmt.Errorf("making the home directory: %w", err)
		}
	}
	return openHome(root)
}

func (h home) market() string      { return filepath.Join(string(h), marketFile) }
func (h home) marketLock() string  { return filepath.Join(string(h), "market.lock") }
func (h home) replicas() string    { return filepath.Join(string(h), "replicas") }
func (h home) controllers() string { return filepath.Join(string(h), "controllers") }

// controller is the directory of a service's controller.
func (h home) controller(service string) string {
	return filepath.Join(h.controllers(), service)
}

// replica is the directory of a machine. The hash keeps apart what the rest of
// the name does not: two services of one name in turn, and "a-1", 2 from "a", "1-2".
func (h home) replica(ref serve.Ref) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", ref.Service, ref.UID, ref.Replica))
	return filepath.Join(h.replicas(), fmt.Sprintf("%s-%d-%s", ref.Service, ref.Replica, hex.EncodeToString(sum[:4])))
}

// checkName refuses names that would lead out of the home directory.
func checkName(service string) error {
	if !filepath.IsLocal(service) || filepath.Base(service) != service || service[0] == '.' {
		return fmt.Errorf("the service name %q: %w", service, serve.ErrInvalid)
	}
	return nil
}
