// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// tokenPath is where tokens are had for what a service account has signed.
const tokenPath = "/token"

// cloudScope is the scope of everything.
const cloudScope = "https://www.googleapis.com/auth/cloud-platform"

// A token is good for so long.
const tokensLast = time.Hour

// grant is what a token stands for.
type grant struct {
	by     string
	scopes []string
	until  time.Time
}

// Token gives a token with which somebody is to call: the owner, or a service account
// by its address.
func (g *GCP) Token(by string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grant(by, []string{cloudScope}, time.Now().Add(tokensLast))
}

func (g *GCP) grant(by string, scopes []string, until time.Time) string {
	token := fmt.Sprintf("ya29.c.%016x%016x", g.random.Uint64(), g.random.Uint64())
	g.tokens[token] = grant{by: by, scopes: scopes, until: until}
	return token
}

// caller says whose a request is. A service account may also sign for itself, instead
// of having a token.
func (g *GCP) caller(r *http.Request, now time.Time) (grant, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return grant{}, false
	}
	if strings.Count(token, ".") == 2 && !strings.HasPrefix(token, "ya29.") {
		c, err := g.signed(token, now)
		if err != nil {
			return grant{}, false
		}
		scopes := strings.Fields(c.Scope)
		if len(scopes) == 0 {
			scopes = []string{cloudScope} // for the API that it is signed for
		}
		return grant{by: c.Issuer, scopes: scopes}, true
	}
	got, ok := g.tokens[token]
	if a := g.accounts[got.by]; got.by != Owner && (a == nil || a.disabled) {
		return grant{}, false
	}
	return got, ok && now.Before(got.until)
}

// claims are what a service account signs.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Scope    string `json:"scope"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// signed reads what a service account has signed with its key.
func (g *GCP) signed(text string, now time.Time) (claims, error) {
	var c claims
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return c, errors.New("it is no JWT")
	}
	var head struct {
		Algorithm string `json:"alg"`
		Key       string `json:"kid"`
	}
	for i, into := range []any{&head, &c} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return c, err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return c, err
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return c, err
	}
	k, err := key()
	if err != nil {
		return c, err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	a := g.accounts[c.Issuer]
	switch issued, expires := time.Unix(c.Issued, 0), time.Unix(c.Expires, 0); {
	case a == nil || a.disabled:
		return c, errors.New("account not found")
	case head.Algorithm != "RS256" || head.Key != "" && head.Key != keyID:
		return c, errors.New("the key is none of the account's")
	case issued.After(now.Add(time.Minute)) || !expires.After(now) || expires.Sub(issued) > tokensLast+time.Minute:
		return c, errors.New("token must be a short-lived token (60 minutes) and in a reasonable timeframe")
	}
	return c, rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, sum[:], signature)
}

// exchange gives a token for what a service account has signed.
func (g *GCP) exchange(r *http.Request, body []byte) cloudtest.Answer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.books.calls["token"]++
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return told(http.StatusBadRequest, map[string]any{
			"error": "unsupported_grant_type", "error_description": "Invalid grant_type: " + form.Get("grant_type"),
		})
	}
	now := time.Now()
	c, err := g.signed(form.Get("assertion"), now)
	if err == nil && !strings.HasSuffix(c.Audience, tokenPath) {
		err = fmt.Errorf("the audience %q is not where tokens are had", c.Audience)
	}
	if err == nil && c.Scope == "" {
		err = errors.New("empty or missing scope not allowed")
	}
	if err != nil {
		return told(http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "Invalid JWT: " + err.Error()})
	}
	return told(http.StatusOK, map[string]any{
		"access_token": g.grant(c.Issuer, strings.Fields(c.Scope), now.Add(tokensLast)),
		"expires_in":   int(tokensLast.Seconds()) - 1, "token_type": "Bearer",
	})
}

func told(status int, what map[string]any) cloudtest.Answer {
	body, err := json.Marshal(what)
	if err != nil {
		body = []byte(err.Error())
	}
	return cloudtest.Said(status, "application/json; charset=utf-8", body)
}

func credentialMethods() map[string]handler {
	return map[string]handler{"iamcredentials.projects.serviceAccounts.generateAccessToken": generateAccessToken}
}

// accountOf is the address in the name of a service account.
func accountOf(name string) string { return name[strings.LastIndex(name, "/")+1:] }

func credentialNeeds(c *call, _ fields) []need {
	return []need{{"iam.serviceAccounts.getAccessToken", c.param("name")}}
}

// generateAccessToken gives a token to somebody who may act for a service account.
func generateAccessToken(c *call, in fields) (fields, error) {
	address := accountOf(c.param("name"))
	if a := c.accounts[address]; a == nil || a.disabled {
		return nil, refusal(http.StatusNotFound, "notFound", "Not found; Gaia id not found for email %s", address)
	}
	last := tokensLast
	if text := in.Text("lifetime"); text != "" {
		var err error
		if last, err = time.ParseDuration(text); err != nil || last <= 0 || last > tokensLast {
			return nil, invalid("The lifetime %s is not between 0s and 3600s", text)
		}
	}
	if len(in.Texts("scope")) == 0 || slices.Contains(in.Texts("scope"), "") {
		return nil, invalid("Scope required.")
	}
	until := c.now.Add(last)
	return fields{"accessToken": c.grant(address, in.Texts("scope"), until), "expireTime": until.Truncate(time.Second)}, nil
}
