// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package skyserve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Service is what a SkyServe YAML file says.
type Service struct {
	// Spec has every default filled in. Its Workdir, FileMounts and TLS are
	// empty, because a file names local paths and a spec holds what is found there.
	serve.Spec
	// WorkdirPath is the local directory that is to become the working directory.
	WorkdirPath string
	// MountPaths maps a path on the replica to the local path that goes there.
	MountPaths map[string]string
	// TLSFiles is nil for a service without TLS.
	TLSFiles *TLSFiles

	origins map[string]origin
}

// TLSFiles are the local paths of a certificate and its key, both in PEM.
type TLSFiles struct {
	Keyfile, Certfile string
}

// Has reports whether the file sets the field at path, given in the form of
// [serve.FieldError]: "replica_policy.max_replicas", "resources.any_of[0].cpus".
// It tells a value that was written from a default.
func (s Service) Has(path string) bool {
	_, ok := s.origins[path]
	return ok
}

// Parse reads a SkyServe YAML file. The errors are [serve.FieldErrors] with the
// paths of the file, "service.replica_policy.max_replicas", in the order of its
// lines. A file without a name gives a service without one.
func Parse(data []byte) (Service, error) {
	root, err := load(data)
	if err != nil {
		return Service{}, err
	}
	r := &reader{origins: make(map[string]origin)}
	s := Service{Spec: serve.NewSpec(""), origins: r.origins}
	s.ReplicaPolicy = serve.FixedReplicas(1)
	r.task(value{node: root}, &s)
	r.judge(s)
	if err := r.err(); err != nil {
		return Service{}, err
	}
	return s, nil
}

// load gives the mapping that is the whole document.
func load(data []byte) (*yaml.Node, error) {
	in := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := in.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, broken("The document is empty; write at least a service, resources and run.")
	} else if err != nil {
		return nil, broken("The document is not YAML: %s.", plain(err))
	}
	if err := in.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, broken("There is more than one document in the file; a service is one.")
	}
	// Decoding once as a whole refuses aliases that contain themselves, or that
	// grow beyond all measure when followed; then they can be followed freely.
	// Errors in types, repeated keys among them, are found again with their path.
	var whole any
	var mistyped *yaml.TypeError
	if err := doc.Decode(&whole); err != nil && !errors.As(err, &mistyped) {
		return nil, broken("The document cannot be read: %s.", plain(err))
	}
	root := follow(doc.Content[0])
	if root.Kind != yaml.MappingNode {
		return nil, broken("The document is %s; it must be a mapping with at least service, resources and run.", kind(root))
	}
	return root, nil
}

// broken is what is said of a document that is wrong as a whole.
func broken(format string, args ...any) error {
	return serve.FieldErrors{{Path: "document", Message: fmt.Sprintf(format, args...)}}
}

// plain gives the text of an error of the YAML library in words for a user.
func plain(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(text, "invalid map key") {
		return "a key is a list or a mapping instead of text"
	}
	return text
}
