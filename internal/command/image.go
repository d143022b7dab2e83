// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/serve-infra/terraform-provider-serve/internal/image"
)

// image assembles the controller image, and saves it, pushes it, or only tells
// its digest.
func (p *Program) image(ctx context.Context, args []string) error {
	f := newFlags("image")
	var programs []image.Binary
	f.Func("binary", "", func(text string) error {
		program, err := image.ParseBinary(text)
		programs = append(programs, program)
		return err
	})
	insecure := f.Bool("insecure", false, "")
	words, err := f.parse(args, 1, 2)
	if err != nil {
		return err
	}
	var target image.Target
	switch {
	case words[0] == "save" && len(words) == 2, words[0] == "digest" && len(words) == 1:
	case words[0] == "push" && len(words) == 2:
		if target, err = image.ParseTarget(words[1], p.Version, *insecure); err != nil {
			return usageError{err.Error()}
		}
	default:
		return usageError{"it takes save with a directory, push with a repository, or digest"}
	}
	programs = withSelf(programs, runtime.GOOS+"/"+runtime.GOARCH)
	if len(programs) == 0 {
		return usageError{fmt.Sprintf("this program is for %s/%s and cannot be in an image; name others by --binary", runtime.GOOS, runtime.GOARCH)}
	}
	made, err := image.Build(p.Version, programs)
	if err != nil {
		return err
	}
	result := made.Digest()
	switch words[0] {
	case "save":
		err = made.Save(words[1])
	case "push":
		result, err = made.Push(ctx, target)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, result)
	return err
}

// withSelf adds the running program to those that were named, for the platform
// it runs on, if there is an image for that and no other program was named.
func withSelf(programs []image.Binary, platform string) []image.Binary {
	own := image.Platform(platform)
	named := slices.ContainsFunc(programs, func(b image.Binary) bool { return b.Platform == own })
	if named || !slices.Contains(image.Platforms(), own) {
		return programs
	}
	// The link leads to what runs, even when an upgrade has replaced its file.
	return append(programs, image.Binary{Platform: own, Path: "/proc/self/exe"})
}
