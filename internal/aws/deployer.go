// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/fleet"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// DeployerOptions says into which account a [Deployer] puts controllers, and what
// it works with.
type DeployerOptions struct {
	// Config is how the account is reached. Controllers are in its Region.
	Config Config
	headquarters.Means
	// Transport carries the calls; nil is the usual one.
	Transport http.RoundTripper
	// Log receives what goes wrong on the side; nil discards it.
	Log *slog.Logger
}

// Deployer runs controllers on EC2: each on an on-demand instance of its own, in
// an Auto Scaling group of one that replaces it when it dies, with an Elastic IP
// address that stays. What a controller remembers is in a bucket of its own.
type Deployer struct {
	*headquarters.Deployer
	o       DeployerOptions
	account *account
}

var (
	_ serve.Deployer    = (*Deployer)(nil)
	_ serve.NameChecker = (*Deployer)(nil)
	_ serve.Namespaced  = (*Deployer)(nil)
	_ serve.Scout       = (*Deployer)(nil)
)

// NewDeployer gives the deployer. It touches nothing.
func NewDeployer(o DeployerOptions) *Deployer {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	known := CloudOptions{Known: place{Config: o.Config}.String(), Note: func(string) error { return nil }, Transport: o.Transport, Log: o.Log}
	d := &Deployer{o: o, account: newAccount(known)}
	d.Deployer = headquarters.NewDeployer("AWS", o.Means, func(ctx context.Context, service string) (headquarters.Estate, error) {
		return d.estate(ctx, service)
	})
	return d
}

// Name is "aws".
func (d *Deployer) Name() string { return cloudName }

// Clouds names those that controllers here have machines from.
func (d *Deployer) Clouds() []string { return d.o.Means.Clouds(cloudName) }

// Scout implements [serve.Scout].
func (d *Deployer) Scout(string) ([]serve.Cloud, error) {
	own := NewCloud(CloudOptions{Known: place{Config: d.o.Config}.String(), Transport: d.o.Transport, Log: d.o.Log})
	return append([]serve.Cloud{own}, d.o.Scouts(cloudName)...), nil
}

// Namespace gives the region that controllers are in.
func (d *Deployer) Namespace() (string, error) {
	if d.o.Config.Region != "" {
		return d.o.Config.Region, nil
	}
	cfg, err := d.o.Config.load(context.Background(), d.o.Transport)
	if err != nil {
		return "", fmt.Errorf("finding out the region: %w", err)
	}
	return cfg.Region, nil
}

// estate is all there is of one controller in AWS.
type estate struct {
	*site
	*Deployer
	service string
	s3      *s3.Client
	iam     *iam.Client
	groups  *autoscaling.Client
	// made are the addresses that were made by this hand.
	made []headquarters.Address
}

func (d *Deployer) estate(ctx context.Context, service string) (*estate, error) {
	if err := d.CheckName(service); err != nil {
		return nil, err
	}
	j, err := d.account.Join(ctx)
	if err != nil {
		return nil, err
	}
	s, err := d.account.In(ctx, j.config.Region)
	if err != nil {
		return nil, err
	}
	return &estate{site: s, Deployer: d, service: service, s3: j.conf.s3(j.config), iam: j.conf.iam(j.config), groups: j.conf.autoscaling(j.config)}, nil
}

// tagController is on everything of a controller, but for its replicas.
const tagController = "serve-infra:controller"

func (e *estate) tags() map[string]string {
	tags := map[string]string{tagController: e.service, tagName: e.name()}
	for key, value := range e.conf.DefaultTags {
		if tags[key] == "" {
			tags[key] = value
		}
	}
	return tags
}

// name is that of the Auto Scaling group and of the launch template.
func (e *estate) name() string { return "serve-" + e.service }

// roleName is that of the role and of the instance profile, which are the account's.
func (e *estate) roleName() string { return "serve-" + e.service + "-" + e.region }

// bucketName is the same for the same account, region and service, and nobody
// else's: buckets have their names for the whole world.
func (e *estate) bucketName() string {
	return e.name() + "-" + fleet.Token(e.number, e.region, e.service)[:12]
}

// serviceOf gives the service that a bucket is of, by its name.
func (e *estate) serviceOf(bucket string) (string, bool) {
	rest, ok := strings.CutPrefix(bucket, "serve-")
	if !ok || len(rest) < 14 {
		return "", false
	}
	other := estate{site: e.site, service: rest[:len(rest)-13]}
	return other.service, other.bucketName() == bucket
}

// List implements [serve.Deployer].
func (d *Deployer) List(ctx context.Context) ([]string, error) {
	names, err := d.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing services: %w", err)
	}
	return names, nil
}

func (d *Deployer) list(ctx context.Context) ([]string, error) {
	e, err := d.estate(ctx, "any")
	if err != nil {
		return nil, err
	}
	names, err := e.others(ctx)
	if err != nil {
		return nil, err
	}
	pages := s3.NewListBucketsPaginator(e.s3, &s3.ListBucketsInput{Prefix: aws.String("serve-"), BucketRegion: aws.String(e.region)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, meaning(err)
		}
		for _, b := range page.Buckets {
			if service, ok := e.serviceOf(aws.ToString(b.Name)); ok {
				names[service] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// others gives the services that there is a controller's address of: of those whose
// bucket somebody has deleted as well.
func (e *estate) others(ctx context.Context) (map[string]bool, error) {
	out, err := e.ec2.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{
		Filters: []types.Filter{{Name: aws.String("tag-key"), Values: []string{tagController}}},
	})
	if err != nil {
		return nil, meaning(err)
	}
	names := map[string]bool{}
	for _, a := range out.Addresses {
		for _, t := range a.Tags {
			if aws.ToString(t.Key) == tagController {
				names[aws.ToString(t.Value)] = true
			}
		}
	}
	return names, nil
}
