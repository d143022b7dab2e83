// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

func allocate(t *testing.T, c *ec2.Client) (id, ip string) {
	t.Helper()
	out, err := c.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{
		Domain: types.DomainTypeVpc,
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeElasticIp, Tags: []types.Tag{{Key: aws.String("serve:service"), Value: aws.String("web")}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.AllocationId, *out.PublicIp
}

func TestAnAddressGoesFromOneInstanceToAnother(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	c := direct(a, "us-east-1")
	ctx := t.Context()
	one, two := run(t, c, nil), run(t, c, nil)
	before, _ := a.Books().Instance(one)
	id, ip := allocate(t, c)
	associate := func(instance string, again bool) (string, error) {
		out, err := c.AssociateAddress(ctx, &ec2.AssociateAddressInput{
			AllocationId: &id, InstanceId: &instance, AllowReassociation: aws.Bool(again),
		})
		if err != nil {
			return "", err
		}
		return *out.AssociationId, nil
	}
	if _, err := associate(one, false); err != nil {
		t.Fatal(err)
	}
	if i, err := described(t, c, one); err != nil || *i.PublicIpAddress != ip {
		t.Errorf("the instance is at %v, %v; want %s", *i.PublicIpAddress, err, ip)
	}
	if _, err := associate(two, false); code(err) != "Resource.AlreadyAssociated" {
		t.Errorf("an address was taken away unasked: %v", err)
	}
	association, err := associate(two, true)
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: []types.Filter{filter("tag:serve:service", "web")}})
	if err != nil || len(out.Addresses) != 1 || *out.Addresses[0].InstanceId != two || *out.Addresses[0].AssociationId != association {
		t.Errorf("the addresses are %+v, %v", out, err)
	}
	if i, _ := a.Books().Instance(one); i.PublicIP != before.PublicIP {
		t.Errorf("without it the first instance is at %q, want %q", i.PublicIP, before.PublicIP)
	}
	release := func() error {
		_, err := c.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: &id})
		return err
	}
	if err := release(); code(err) != "InvalidIPAddress.InUse" {
		t.Errorf("an address in use was released: %v", err)
	}
	// With its instance an association ends.
	if _, err := c.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{two}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: &association}); code(err) != "InvalidAssociationID.NotFound" {
		t.Errorf("the association outlives its instance: %v", err)
	}
	if got := a.Books().Addresses; len(got) != 1 || got[0].Instance != "" || got[0].Tags["serve:service"] != "web" {
		t.Errorf("the books have %+v", got)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := release(); code(err) != "InvalidAllocationID.NotFound" || len(a.Books().Addresses) != 0 {
		t.Errorf("it was released twice: %v", err)
	}
}

func TestAddressesAreFew(t *testing.T) {
	t.Parallel()
	c := direct(awstest.New(t, awstest.Options{}), "us-east-1")
	for range 5 {
		allocate(t, c)
	}
	if _, err := c.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{}); code(err) != "AddressLimitExceeded" {
		t.Errorf("a sixth address: %v", err)
	}
}

func TestAnAddressPassesOnWhatComes(t *testing.T) {
	t.Parallel()
	const port = 18080
	a := awstest.New(t, awstest.Options{Machines: true, Ports: []int{port}})
	c := direct(a, "us-east-1")
	id, ip := allocate(t, c)
	lead := func(says string) {
		t.Helper()
		b := &booted{T: t, aws: a, ec2: c}
		b.id = run(t, c, func(in *ec2.RunInstancesInput) {
			in.UserData = script(fmt.Sprintf("mkdir /opt/www; cd /opt/www; echo %s >says; "+
				`host=${AWS_EC2_METADATA_SERVICE_ENDPOINT#http://}; python3 -um http.server -b ${host%%:*} %d`, says, port))
		})
		b.printed(fmt.Sprintf("Serving HTTP on %s port %d (http://%[1]s:%[2]d/) ...", b.entry().PrivateIP, port))
		if _, err := c.AssociateAddress(t.Context(), &ec2.AssociateAddressInput{
			AllocationId: &id, InstanceId: &b.id, AllowReassociation: aws.Bool(true),
		}); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, says := range []string{"one", "two"} {
		lead(says)
		res, err := client.Get(fmt.Sprintf("http://%s:%d/says", ip, port))
		if err != nil {
			t.Fatal(err)
		}
		if got := cloudtest.Read(t, res); got != says+"\n" {
			t.Errorf("at the address somebody says %q, want %q", got, says)
		}
	}
}
