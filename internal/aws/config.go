// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Config says how AWS is reached, in the words of its own provider. What is left
// out is as the AWS command line has it: the AWS_* variables, ~/.aws, and on a
// machine of AWS its role.
type Config struct {
	// Region is where what is not of a place is asked.
	Region string `json:"region,omitempty"`
	// Profile is a section of the shared configuration files.
	Profile string `json:"profile,omitempty"`
	// AssumeRole is a role to be taken on; nil for none.
	AssumeRole *AssumeRole `json:"assume_role,omitempty"`
	// Regions are those machines may be in; none is every region that the account
	// has enabled.
	Regions []string `json:"regions,omitempty"`
	// DefaultTags are put on everything that is made.
	DefaultTags map[string]string `json:"default_tags,omitempty"`
	// Endpoints replaces those of some services, by their names in that
	// provider: "ec2", "pricing", "s3", "servicequotas", "ssm", "sts".
	Endpoints map[string]string `json:"endpoints,omitempty"`
	// VPC is the network that machines are in; empty is the default one of each
	// region.
	VPC string `json:"vpc_id,omitempty"`
	// Private has machines reached at their private addresses.
	Private bool `json:"use_private_addresses,omitempty"`
}

// AssumeRole is a role that is taken on for every call.
type AssumeRole struct {
	ARN         string `json:"role_arn"`
	SessionName string `json:"session_name,omitempty"`
	ExternalID  string `json:"external_id,omitempty"`
}

// attempts is how often a call is tried before it has failed; those that were
// throttled wait for longer and longer, and hold back the others.
const attempts = 8

// firstAttempts is how often whose account it is is asked.
const firstAttempts = 3

// again says of which errors the SDK is not to judge itself. EC2 answers that it has
// no machine with status 500, and has none a moment later either: there are other
// offers to be tried.
func again(err error) aws.Ternary {
	if m := meaningOf(err); errors.Is(m, serve.ErrCapacity) || errors.Is(m, serve.ErrQuota) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// priceRegion is one of the few that can be asked for prices.
const priceRegion = "us-east-1"

// retryer holds calls back that AWS would refuse, and tries refused ones again.
func retryer() aws.Retryer {
	return paced{retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) {
		o.FailOnNoAttemptTokens = true
		o.StandardOptions = append(o.StandardOptions, func(s *retry.StandardOptions) {
			s.MaxAttempts = attempts
			s.Retryables = slices.Insert(s.Retryables, 0, retry.IsErrorRetryable(retry.IsErrorRetryableFunc(again)))
		})
	})}
}

// paced is a retryer that waits for its turn in steps. That of the SDK waits for
// exactly as long as it reckons it has to, which by rounding can be no time at
// all, again and again.
type paced struct{ *retry.AdaptiveMode }

// pace is the step.
const pace = 100 * time.Millisecond

// GetAttemptToken implements [aws.RetryerV2].
func (p paced) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	for {
		release, err := p.AdaptiveMode.GetAttemptToken(ctx)
		if err == nil {
			return release, nil
		}
		if !turns.Sleep(ctx, pace) {
			return nil, ctx.Err()
		}
	}
}

// load finds credentials and settings as the AWS command line does.
func (c Config) load(ctx context.Context, transport http.RoundTripper) (aws.Config, error) {
	return c.loadAs(ctx, transport, nil)
}

// loadAs is load for whoever was given a key, which takes the place of what is found.
func (c Config) loadAs(ctx context.Context, transport http.RoundTripper, given *key) (aws.Config, error) {
	if given != nil {
		c.Profile, c.AssumeRole = "", given.role()
	}
	options := []func(*config.LoadOptions) error{
		config.WithAppID("terraform-provider-serve"),
		config.WithRetryer(retryer),
	}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	if transport != nil {
		options = append(options, config.WithHTTPClient(&http.Client{Transport: transport}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("reading the configuration of AWS: %w: %w", serve.ErrUnauthorized, err)
	}
	if cfg.Region == "" {
		return aws.Config{}, fmt.Errorf("no AWS region is configured (set AWS_REGION, or aws.region in the provider's configuration): %w", serve.ErrInvalid)
	}
	if given != nil {
		cfg.Credentials = given
	}
	if r := c.AssumeRole; r != nil {
		role := stscreds.NewAssumeRoleProvider(c.sts(cfg), r.ARN, func(o *stscreds.AssumeRoleOptions) {
			if r.SessionName != "" {
				o.RoleSessionName = r.SessionName
			}
			if r.ExternalID != "" {
				o.ExternalID = &r.ExternalID
			}
		})
		cfg.Credentials = aws.NewCredentialsCache(role)
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		if ctx.Err() != nil {
			return aws.Config{}, ctx.Err()
		}
		return aws.Config{}, fmt.Errorf("no AWS credentials are to be had (set AWS_PROFILE, or aws in the provider's configuration): %w: %w", serve.ErrUnauthorized, err)
	}
	return cfg, nil
}

// endpoint replaces the endpoint of a service, if it is to be replaced.
func (c Config) endpoint(service string, base **string) {
	if url := c.Endpoints[service]; url != "" {
		*base = &url
	}
}

// sts gives a client of what is asked before all else. Where there is no way to AWS
// it shows here, to somebody who waits.
func (c Config) sts(cfg aws.Config) *sts.Client {
	return sts.NewFromConfig(cfg, func(o *sts.Options) {
		o.RetryMaxAttempts = firstAttempts
		c.endpoint("sts", &o.BaseEndpoint)
	})
}

func (c Config) ec2(cfg aws.Config) *ec2.Client {
	return ec2.NewFromConfig(cfg, func(o *ec2.Options) { c.endpoint("ec2", &o.BaseEndpoint) })
}

func (c Config) iam(cfg aws.Config) *iam.Client {
	return iam.NewFromConfig(cfg, func(o *iam.Options) { c.endpoint("iam", &o.BaseEndpoint) })
}

func (c Config) autoscaling(cfg aws.Config) *autoscaling.Client {
	return autoscaling.NewFromConfig(cfg, func(o *autoscaling.Options) { c.endpoint("autoscaling", &o.BaseEndpoint) })
}

func (c Config) ssm(cfg aws.Config) *ssm.Client {
	return ssm.NewFromConfig(cfg, func(o *ssm.Options) { c.endpoint("ssm", &o.BaseEndpoint) })
}

func (c Config) quotas(cfg aws.Config) *servicequotas.Client {
	return servicequotas.NewFromConfig(cfg, func(o *servicequotas.Options) { c.endpoint("servicequotas", &o.BaseEndpoint) })
}

// prices gives a client of the price list, which only a few regions have.
func (c Config) prices(cfg aws.Config) *pricing.Client {
	return pricing.NewFromConfig(cfg, func(o *pricing.Options) {
		o.Region = priceRegion
		c.endpoint("pricing", &o.BaseEndpoint)
	})
}

// s3 gives a client of S3. Where an endpoint is named, the bucket stands in the
// path: there is a name for that host only, and not one for each bucket of it.
func (c Config) s3(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		c.endpoint("s3", &o.BaseEndpoint)
		o.UsePathStyle = o.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true // of objects that others have put
	})
}
