// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// keyLifetime is for how long an access key that was given is used before it is looked
// whether there is another one.
const keyLifetime = 5 * time.Minute

// key is an access key in the form in which a controller is given one, with the role
// that is taken on with it, if any.
type key struct {
	ID     string `json:"access_key"`
	Secret string `json:"secret_key"`
	Role   string `json:"role_arn"`
}

// keyring gives the access key that is to be used now.
type keyring struct {
	shown serve.CredentialsOf
	first key
}

// keyringOf gives the keys that were given; nil if none were.
func keyringOf(ctx context.Context, shown serve.CredentialsOf) (*keyring, error) {
	if shown == nil {
		return nil, nil //nolint:nilnil // there being none is no error
	}
	text, err := shown(ctx, cloudName)
	if err != nil || text == "" {
		return nil, err
	}
	k, err := parseKey(text)
	return &keyring{shown, k}, err
}

func parseKey(text string) (key, error) {
	var k key
	if json.Unmarshal([]byte(text), &k) != nil || k.ID == "" || k.Secret == "" {
		return key{}, fmt.Errorf("what was given to be shown to AWS is no access key: %w", serve.ErrUnauthorized)
	}
	return k, nil
}

// role gives the role that is taken on with the key.
func (k *keyring) role() *AssumeRole {
	if k.first.Role == "" {
		return nil
	}
	return &AssumeRole{ARN: k.first.Role}
}

// Retrieve implements [aws.CredentialsProvider].
func (k *keyring) Retrieve(ctx context.Context) (aws.Credentials, error) {
	text, err := k.shown(ctx, cloudName)
	if err != nil {
		return aws.Credentials{}, err
	}
	now, err := parseKey(text)
	return aws.Credentials{
		AccessKeyID: now.ID, SecretAccessKey: now.Secret, Source: "given to the controller",
		CanExpire: true, Expires: time.Now().Add(keyLifetime),
	}, err
}
