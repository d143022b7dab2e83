// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

const (
	// metadataPatience bounds a question to a metadata service, which is on the same
	// host and answers within milliseconds.
	metadataPatience = 2 * time.Second
	// maxMetadata bounds an answer, in bytes.
	maxMetadata = 64 << 10
)

// metadata is what a cloud tells a machine about itself.
type metadata interface {
	// address gives the machine's own address, empty if there is no way to know.
	address(ctx context.Context) (string, error)
	// watch calls tell with warnings until ctx ends, perhaps several times with the
	// same one.
	watch(ctx context.Context, log *slog.Logger, tell func(Warning))
}

// metadataOf gives the metadata service of a cloud, where the environment may say
// that it is elsewhere than usual.
func metadataOf(cloud string) (metadata, error) {
	switch cloud {
	case "":
		return noMetadata{}, nil
	case "aws":
		return newEC2(), nil
	case "gcp":
		return newGCE(), nil
	default:
		return nil, fmt.Errorf("there is no metadata service of cloud %q: %w", cloud, serve.ErrInvalid)
	}
}

// noMetadata is a machine that nobody tells anything.
type noMetadata struct{}

func (noMetadata) address(context.Context) (string, error) { return "", nil }

func (noMetadata) watch(ctx context.Context, _ *slog.Logger, _ func(Warning)) { <-ctx.Done() }

// errNoSuchMetadata is the answer to a question to which there is nothing to say.
var errNoSuchMetadata = errors.New("the metadata service has no such thing")

// askMetadata gives the answer to one question. The service is on the same host:
// there is no proxy on the way.
func askMetadata(ctx context.Context, method, url string, header map[string]string, patience time.Duration) (string, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return "", nil, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	direct := &http.Transport{DisableKeepAlives: true}
	res, err := direct.RoundTrip(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata))
	switch {
	case err != nil:
		return "", nil, err
	case res.StatusCode == http.StatusNotFound:
		return "", nil, errNoSuchMetadata
	case res.StatusCode == http.StatusUnauthorized:
		return "", nil, serve.ErrUnauthorized
	case res.StatusCode != http.StatusOK:
		return "", nil, fmt.Errorf("the metadata service answered %s", res.Status)
	}
	return strings.TrimSpace(string(text)), res.Header, nil
}

// grumbler logs the first of a row of errors.
type grumbler struct {
	log *slog.Logger
	bad bool
}

func (g *grumbler) see(err error) {
	if err != nil && !g.bad {
		g.log.Error("asking the metadata service", "error", err)
	}
	g.bad = err != nil
}
