// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/serve-infra/terraform-provider-serve/internal/api"
	"github.com/serve-infra/terraform-provider-serve/internal/image"
	"github.com/serve-infra/terraform-provider-serve/internal/kube"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// publishedImage is where releases publish the controller's image.
const publishedImage = "ghcr.io/serve-infra/terraform-provider-serve"

// kubernetesDeployer gives the deployer of a namespace in a cluster, whose controllers
// are told how other clouds are reached.
func kubernetesDeployer(config kube.Config, version string, others briefs) (serve.Deployer, error) {
	var told map[string]string
	if others != nil {
		var err error
		if told, err = others(nil); err != nil {
			return nil, err
		}
	}
	bundled := bundledImage{version: version, programs: func() []image.Binary { return withSelf(nil, runtime.GOOS+"/"+runtime.GOARCH) }}
	return kube.NewDeployer(kube.DeployerOptions{
		Config:      config,
		Image:       bundled.choose,
		Version:     version,
		Credentials: func() (serve.Credentials, error) { return api.NewCredentials("controller") },
		Briefs:      told,
		Abroad: func(a *kube.Abroad, known kube.Known, secret func() ([]byte, error)) ([]serve.Cloud, error) {
			s, err := abroadOf(a, known)
			s.secret = secret
			return s.abroad(), err
		},
	}), nil
}

// bundledImage is the image that is made of this program itself, which is done
// once, when it is first wanted.
type bundledImage struct {
	version  string
	programs func() []image.Binary

	once sync.Once
	made *image.Image
	err  error
}

// choose gives the image that a controller is run from: the one that is asked for,
// this program's own, brought into a repository, or the one of its release.
func (b *bundledImage) choose(ctx context.Context, opt serve.DeployOptions) (kube.Image, error) {
	switch {
	case opt.Image != "":
		return kube.Image{Reference: opt.Image}, nil
	case opt.ImageRepository != "":
		return b.bring(ctx, opt.ImageRepository)
	case !released(b.version):
		return kube.Image{}, fmt.Errorf("this is a build %q, of which no image is published; name one by controller.image, "+
			"or a repository for its own by controller.image_repository: %w", b.version, serve.ErrInvalid)
	}
	return kube.Image{Reference: publishedImage + ":" + b.version}, nil
}

// released reports whether a version is one of a release: dev and the like are not.
func released(version string) bool {
	return version != "" && version[0] >= '0' && version[0] <= '9' && !strings.Contains(version, "-")
}

// bring makes sure that this program's own image is in a repository.
func (b *bundledImage) bring(ctx context.Context, repository string) (kube.Image, error) {
	target, err := image.ParseTarget(repository, b.version, false)
	if err != nil {
		return kube.Image{}, fmt.Errorf("%w: %w", serve.ErrInvalid, err)
	}
	b.once.Do(func() {
		programs := b.programs()
		if len(programs) == 0 {
			b.err = fmt.Errorf("this program is for %s/%s and cannot be in an image; name one by controller.image: %w", runtime.GOOS, runtime.GOARCH, serve.ErrInvalid)
			return
		}
		b.made, b.err = image.Build(b.version, programs)
	})
	if b.err != nil {
		return kube.Image{}, b.err
	}
	reference, err := b.made.Ensure(ctx, target)
	if err != nil {
		return kube.Image{}, err
	}
	// It has this program in it, and no other for other machines.
	return kube.Image{Reference: reference, Architecture: runtime.GOARCH}, nil
}
