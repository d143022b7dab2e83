// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package machinetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// cloudConfig is the part of cloud-init's configuration that machines here carry
// out.
type cloudConfig struct {
	WriteFiles []writtenFile `yaml:"write_files"`
	RunCmd     []runCommand  `yaml:"runcmd"`
}

// writtenFile is a file to be made. Without permissions it is for its owner to
// change and for all to read.
type writtenFile struct {
	Path, Permissions, Content string
}

// runCommand is a command with its arguments. What is one text in YAML is for the
// shell.
type runCommand []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (c *runCommand) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return node.Decode((*[]string)(c))
	}
	var script string
	if err := node.Decode(&script); err != nil {
		return err
	}
	*c = runCommand{"/bin/sh", "-c", script}
	return nil
}

// scriptPath is where cloud-init has a script that user data consists of.
const scriptPath = "/var/lib/cloud/instance/scripts/part-001"

// readUserData understands user data: a configuration, or a script.
func readUserData(data []byte) (cloudConfig, error) {
	var c cloudConfig
	switch {
	case len(bytes.TrimSpace(data)) == 0:
	case bytes.HasPrefix(data, []byte("#!")):
		c.WriteFiles = []writtenFile{{Path: scriptPath, Permissions: "0700", Content: string(data)}}
		c.RunCmd = []runCommand{{scriptPath}}
	case bytes.HasPrefix(data, []byte("#cloud-config\n")):
		d := yaml.NewDecoder(bytes.NewReader(data))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
			return c, fmt.Errorf("reading the user data: %w", err)
		}
	default:
		return c, errors.New("reading the user data: it is neither a #cloud-config nor a script")
	}
	return c, nil
}

// write makes the file below a directory, which is / on a machine.
func (f writtenFile) write(root string) error {
	if !filepath.IsAbs(f.Path) {
		return fmt.Errorf("writing the file %q of the user data: its path is not absolute", f.Path)
	}
	mode := fs.FileMode(0o644)
	if f.Permissions != "" {
		bits, err := strconv.ParseUint(f.Permissions, 8, 9)
		if err != nil {
			return fmt.Errorf("writing the file %q of the user data: permissions %q", f.Path, f.Permissions)
		}
		mode = fs.FileMode(bits)
	}
	path := filepath.Join(root, f.Path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(f.Content), mode)
	}
	if err == nil {
		err = os.Chmod(path, mode) // whatever the mask is
	}
	if err != nil {
		return fmt.Errorf("writing a file of the user data: %w", err)
	}
	return nil
}
