// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

// Command registry is a registry of container images in memory, for a cluster
// for tests: whoever pushes to it and pulls from it is on the same machine.
//
//	registry ADDRESS [NAME:TAG=DIRECTORY[,PROGRAM]...]
//
// It starts with the images named, each made of one directory, for this
// machine's architecture. PROGRAM is what a container runs that is told nothing else.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

// run serves until the context ends.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: registry ADDRESS [NAME:TAG=DIRECTORY[,PROGRAM]...]")
	}
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		ReadHeaderTimeout: 10 * time.Second,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	for _, arg := range args[1:] {
		if err := push(ctx, listener.Addr().String(), arg); err != nil {
			return fmt.Errorf("making image %q: %w", arg, err)
		}
	}
	fmt.Println(listener.Addr()) // the images are there
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

// push makes the image that an argument describes and puts it into the registry.
func push(ctx context.Context, address, arg string) error {
	tag, rest, _ := strings.Cut(arg, "=")
	directory, program, _ := strings.Cut(rest, ",")
	ref, err := name.ParseReference(address+"/"+tag, name.Insecure)
	if err != nil {
		return err
	}
	image, err := build(directory, program)
	if err != nil {
		return err
	}
	return remote.Write(ref, image, remote.WithContext(ctx))
}

// build makes an image of one layer.
func build(directory, program string) (v1.Image, error) {
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	if err := archive.AddFS(os.DirFS(directory)); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.AppendLayers(image, layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	if program != "" {
		file.Config.Cmd = []string{program}
	}
	return mutate.ConfigFile(image, file)
}
