// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/serve-infra/terraform-provider-serve/internal/keyring"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// entry is how an account is reached by one key, which it has let in.
type entry struct {
	config aws.Config
	// number is that of the account.
	number string
	// enabled are the regions that the account has.
	enabled []string
}

// enter finds out whether an account lets in who has been given something; nothing is as
// c says.
func (c Config) enter(ctx context.Context, o CloudOptions, text string) (entry, error) {
	given, err := parseKey(text)
	if err != nil {
		return entry{}, err
	}
	config, err := c.loadAs(ctx, o.Transport, given)
	if err != nil {
		return entry{}, err
	}
	identity, err := c.sts(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return entry{}, meaning(err)
	}
	regions, err := c.ec2(config).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return entry{}, meaning(err)
	}
	e := entry{config: config, number: aws.ToString(identity.Account)}
	for _, r := range regions.Regions {
		e.enabled = append(e.enabled, aws.ToString(r.RegionName))
	}
	slices.Sort(e.enabled)
	return e, nil
}

// key is an access key in the form in which a controller is given one, with the role
// that is taken on with it, if any.
type key struct {
	ID     string `json:"access_key"`
	Secret string `json:"secret_key"`
	Role   string `json:"role_arn"`
}

// parseKey reads the key that was given; nil if none was.
func parseKey(text string) (*key, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // there being none is no error
	}
	var k key
	if json.Unmarshal([]byte(text), &k) != nil || k.ID == "" || k.Secret == "" {
		return nil, fmt.Errorf("what was given to be shown to AWS is no access key: %w", serve.ErrUnauthorized)
	}
	return &k, nil
}

// Retrieve implements [aws.CredentialsProvider].
func (k *key) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, Source: "given to the controller"}, nil
}

// role gives the role that is taken on with the key.
func (k *key) role() *AssumeRole {
	if k.Role == "" {
		return nil
	}
	return &AssumeRole{ARN: k.Role}
}

// current signs every call with what is used at the time.
type current struct{ *keyring.Keyring[entry] }

// Retrieve implements [aws.CredentialsProvider].
func (c current) Retrieve(ctx context.Context) (aws.Credentials, error) {
	return c.Key().config.Credentials.Retrieve(ctx)
}
