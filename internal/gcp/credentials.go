// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/option"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// scope is what a token is good for: whatever the account may do.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// find finds credentials. It asks nobody for anything yet.
func (c Config) find(transport http.RoundTripper) (*auth.Credentials, error) {
	options := &credentials.DetectOptions{
		Scopes: []string{scope},
		Client: &http.Client{Transport: transport},
		// A token that is fetched on the side is fetched by nobody who can be stopped.
		DisableAsyncRefresh: true,
	}
	text, err := c.secret()
	if err != nil {
		return nil, err
	}
	if text == "" {
		creds, err := credentials.DetectDefault(options)
		if err != nil {
			return nil, fmt.Errorf("no Google Cloud credentials are to be had (run \"gcloud auth application-default login\", set GOOGLE_APPLICATION_CREDENTIALS, or gcp in the provider's configuration): %w: %w", serve.ErrUnauthorized, err)
		}
		return creds, nil
	}
	var kind struct {
		Type credentials.CredType `json:"type"`
	}
	if err := json.Unmarshal([]byte(text), &kind); err != nil {
		// What it says may be part of the key.
		return nil, fmt.Errorf("the credentials for Google Cloud are no JSON, and no file: %w", serve.ErrInvalid)
	}
	creds, err := credentials.NewCredentialsFromJSON(kind.Type, []byte(text), options)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials for Google Cloud: %w: %w", serve.ErrInvalid, err)
	}
	return creds, nil
}

// secret gives the credentials that somebody has named, as Google's own provider
// reads them: they are JSON, or stand in a file.
func (c Config) secret() (string, error) {
	text := c.Credentials
	if text == "" {
		text = environment("GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON", "GCLOUD_KEYFILE_JSON")
	}
	if text == "" || strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text, nil
	}
	path := text
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = home + "/" + rest
		}
	}
	file, err := os.ReadFile(path) //nolint:gosec // the user names it
	if why := errors.Unwrap(err); why != nil && !filepath.IsAbs(path) {
		err = why // it may be a key in another form, and no name
	}
	if err != nil {
		return "", fmt.Errorf("reading the credentials for Google Cloud: %w: %w", serve.ErrInvalid, err)
	}
	return string(file), nil
}

// signed puts a token on each request.
type signed struct {
	base  http.RoundTripper
	creds *auth.Credentials
	turn  turns.Turns[struct{}]
}

// token gives a token. It keeps others from asking meanwhile: the library would have
// them wait with no way to stop them.
func (s *signed) token(ctx context.Context) (*auth.Token, error) {
	ctx, leave, err := s.turn.Enter(ctx, struct{}{})
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.creds.Token(ctx)
}

// RoundTrip implements [http.RoundTripper].
func (s *signed) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := s.token(req.Context())
	var payer string
	if err == nil {
		payer, err = s.creds.QuotaProjectID(req.Context())
	}
	if err != nil {
		if req.Body != nil {
			err = errors.Join(err, req.Body.Close())
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	httptransport.SetAuthHeader(token, req)
	if payer != "" {
		// The credentials of a person are of no project that calls could be counted for.
		req.Header.Set("X-Goog-User-Project", payer)
	}
	return s.base.RoundTrip(req)
}

// impersonated gives tokens of a service account to somebody who may act as it.
type impersonated struct {
	service *iamcredentials.Service
	account string
}

// impersonate gives the credentials of the service account that is acted as.
func (c Config) impersonate(ctx context.Context, by *signed) (*signed, error) {
	service, err := iamcredentials.NewService(ctx, option.WithHTTPClient(&http.Client{Transport: by}), option.WithEndpoint(c.endpoint("iamcredentials", "/")))
	if err != nil {
		return nil, fmt.Errorf("acting as %s: %w", c.Impersonate, err)
	}
	tokens := auth.NewCachedTokenProvider(impersonated{service: service, account: c.Impersonate}, &auth.CachedTokenProviderOptions{DisableAsyncRefresh: true})
	return &signed{base: by.base, creds: auth.NewCredentials(&auth.CredentialsOptions{
		TokenProvider: tokens, ProjectIDProvider: auth.CredentialsPropertyFunc(by.creds.ProjectID), QuotaProjectIDProvider: auth.CredentialsPropertyFunc(by.creds.QuotaProjectID),
	})}, nil
}

// Token implements [auth.TokenProvider].
func (i impersonated) Token(ctx context.Context) (*auth.Token, error) {
	made, err := i.service.Projects.ServiceAccounts.GenerateAccessToken("projects/-/serviceAccounts/"+i.account, &iamcredentials.GenerateAccessTokenRequest{
		Scope: []string{scope}, Lifetime: "3600s",
	}).Context(ctx).Do()
	if err != nil {
		return nil, fmt.Errorf("acting as %s: %w", i.account, err)
	}
	ends, err := time.Parse(time.RFC3339, made.ExpireTime)
	if err != nil {
		return nil, fmt.Errorf("acting as %s: %w", i.account, err)
	}
	return &auth.Token{Value: made.AccessToken, Type: "Bearer", Expiry: ends}, nil
}
