// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/bootstrap"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/turns"
)

// Host is the instance that a controller runs on, seen from the controller.
type Host struct {
	*headquarters.Host
	log  *slog.Logger
	conf Config
	ec2  *ec2.Client
}

// OpenHost finds out what is to be done on this machine, by the directory that the
// user data has filled.
func OpenHost(ctx context.Context, dir string, log *slog.Logger) (*Host, error) {
	h := &Host{log: log}
	var err error
	h.Host, err = headquarters.Open(ctx, dir, headquarters.HostOptions{Log: log, Machine: machine, Bucket: func(ctx context.Context, told bootstrap.Host) (bucket.Bucket, error) {
		return OpenBucket(ctx, BucketOptions{Config: Config{Region: told.Region, Endpoints: told.Endpoints}, Name: told.Bucket, Log: log})
	}})
	if err != nil {
		return nil, err
	}
	if err := h.Config(&h.conf); err != nil {
		return nil, err
	}
	config, err := h.conf.load(ctx, nil)
	if err != nil {
		return nil, err
	}
	h.ec2 = h.conf.ec2(config)
	return h, nil
}

// machine gives the id of this instance, and its address in the network.
func machine(ctx context.Context) (id, address string, err error) {
	if id, err = metadata(ctx, "instance-id"); err == nil {
		address, err = metadata(ctx, "local-ipv4")
	}
	return id, address, err
}

// metadata asks about this machine.
func metadata(ctx context.Context, path string) (string, error) {
	out, err := imds.New(imds.Options{}).GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", fmt.Errorf("asking for %s of this machine: %w", path, err)
	}
	defer out.Content.Close()
	text, err := io.ReadAll(out.Content)
	if err != nil {
		return "", fmt.Errorf("asking for %s of this machine: %w", path, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Cloud gives the cloud that the controller has machines from.
func (h *Host) Cloud(ctx context.Context, o CloudOptions) (serve.Cloud, error) {
	o, err := headquarters.Own(ctx, h.Host, h.conf, o)
	if err != nil {
		return nil, err
	}
	return NewCloud(o), nil
}

// GiveWay waits for as long as the controller has a machine that is newer than this one.
// That is where it is to be, as this one was given up, or is about to be ended: but for
// it the two would take the address from each other, again and again.
func (h *Host) GiveWay(ctx context.Context) error {
	for {
		newer, err := h.newer(ctx)
		if err != nil {
			h.log.WarnContext(ctx, "whether there is a newer machine of this controller is not known; going on", "error", err)
		}
		if newer == "" {
			return ctx.Err()
		}
		h.log.InfoContext(ctx, "there is a newer machine of this controller; waiting for its end", "instance", newer)
		if !turns.Sleep(ctx, givePause) {
			return ctx.Err()
		}
	}
}

// givePause is how often a machine that gives way looks whether it still has to.
const givePause = 10 * time.Second

// newer gives the machine of the controller that was launched last, if it is another one
// than this.
func (h *Host) newer(ctx context.Context) (string, error) {
	all, err := describe(ctx, h.ec2, append(filters(map[string]string{tagController: h.Told.Service}), types.Filter{
		Name: aws.String("instance-state-name"), Values: []string{string(types.InstanceStateNamePending), string(types.InstanceStateNameRunning)},
	}))
	if err != nil {
		return "", err
	}
	slices.SortFunc(all, func(a, b types.Instance) int {
		return cmp.Or(aws.ToTime(a.LaunchTime).Compare(aws.ToTime(b.LaunchTime)), cmp.Compare(aws.ToString(a.InstanceId), aws.ToString(b.InstanceId)))
	})
	own := slices.IndexFunc(all, func(i types.Instance) bool { return aws.ToString(i.InstanceId) == h.ID })
	if own < 0 || own == len(all)-1 { // one that is not described yet is new
		return "", nil
	}
	return aws.ToString(all[len(all)-1].InstanceId), nil
}

// Take has the controller's address lead to this machine from now on, and says in
// the bucket that it does.
func (h *Host) Take(ctx context.Context) error {
	for {
		_, err := h.ec2.AssociateAddress(ctx, &ec2.AssociateAddressInput{
			AllocationId: aws.String(h.Address.ID), InstanceId: aws.String(h.ID), AllowReassociation: aws.Bool(true),
		})
		if err == nil {
			return h.Started(ctx)
		}
		// A machine that is not described yet, or a role that is not known everywhere.
		h.log.WarnContext(ctx, "the address could not be taken; trying again", "error", err)
		if !turns.Sleep(ctx, lookPause) {
			return fmt.Errorf("taking the address %s: %w", h.Address.IP, meaning(err))
		}
	}
}
