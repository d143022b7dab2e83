// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
)

// booted is an AWS with one instance that runs a script.
type booted struct {
	*testing.T
	aws *awstest.AWS
	ec2 *ec2.Client
	id  string
}

func boot(t *testing.T, text string, change func(*ec2.RunInstancesInput)) *booted {
	t.Helper()
	a := awstest.New(t, awstest.Options{Machines: true})
	b := &booted{T: t, aws: a, ec2: direct(a, "us-east-1")}
	b.id = run(t, b.ec2, func(in *ec2.RunInstancesInput) {
		in.UserData = script(text)
		if change != nil {
			change(in)
		}
	})
	return b
}

// script is user data that is run.
func script(text string) *string {
	return aws.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n" + text + "\n")))
}

// must is for what there is for certain.
func must(i awstest.Instance, _ bool) awstest.Instance { return i }

// entry is what the books have of the instance.
func (b *booted) entry() awstest.Instance { return must(b.aws.Books().Instance(b.id)) }

// await waits until the books have an instance as it is wanted.
func (b *booted) await(what string, is func(awstest.Instance) bool) awstest.Instance {
	b.Helper()
	return cloudtest.Await(b, what, b.entry, is, func() string { return b.aws.Console(b.id) })
}

// printed waits until something was printed on the machine.
func (b *booted) printed(what string) {
	b.Helper()
	b.await("the line "+what, func(awstest.Instance) bool { return strings.Contains(b.aws.Console(b.id), what+"\n") })
}

// gone waits until the instance is terminated.
func (b *booted) gone() awstest.Instance {
	b.Helper()
	return b.await("the end", func(i awstest.Instance) bool { return i.State == "terminated" })
}

// ask asks the metadata service, which is on loopback, too.
func (b *booted) ask(method, path string, header ...string) (int, string) {
	b.Helper()
	res, text := cloudtest.Ask(b, method, "http://"+b.entry().PrivateIP+":1338"+path, header...)
	return res.StatusCode, text
}

// metadata asks with a token.
func (b *booted) metadata(path string) string {
	b.Helper()
	status, token := b.ask("PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if status != http.StatusOK {
		b.Fatalf("asking for a token: %d", status)
	}
	status, text := b.ask("GET", "/latest/"+path, "X-aws-ec2-metadata-token", token)
	if status == http.StatusNotFound {
		return "not found"
	}
	if status != http.StatusOK {
		b.Fatalf("asking for %s: %d", path, status)
	}
	return text
}

func TestAMachineCanAskAboutItself(t *testing.T) {
	t.Parallel()
	b := boot(t, `echo "at $AWS_EC2_METADATA_SERVICE_ENDPOINT of $AWS_ENDPOINT_URL"; exec sleep 3600`, func(in *ec2.RunInstancesInput) {
		inSpot(in)
		inZone("us-east-1b")(in)
		in.MetadataOptions = &types.InstanceMetadataOptionsRequest{
			HttpTokens: types.HttpTokensStateRequired, InstanceMetadataTags: types.InstanceMetadataTagsStateEnabled,
		}
	})
	i := b.entry()
	b.printed("at http://" + i.PrivateIP + ":1338 of " + b.aws.Endpoint())
	if !strings.HasPrefix(i.PrivateIP, "127.") || i.PublicIP != i.PrivateIP {
		t.Errorf("its addresses are %s and %s, want one of loopback", i.PrivateIP, i.PublicIP)
	}
	const token, span = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
	for _, row := range []struct {
		name, method, path string
		header             []string
		want               int
	}{
		{"without a token nothing is told", "GET", "/latest/meta-data/instance-id", nil, 401},
		{"nor with another", "GET", "/latest/meta-data/instance-id", []string{token, "token-1"}, 401},
		{"a token must be put", "GET", "/latest/api/token", []string{span, "60"}, 405},
		{"a token has a span", "PUT", "/latest/api/token", nil, 400},
		{"of six hours at most", "PUT", "/latest/api/token", []string{span, "21601"}, 400},
		{"a proxy gets none", "PUT", "/latest/api/token", []string{span, "60", "X-Forwarded-For", "10.0.0.1"}, 403},
	} {
		if got, _ := b.ask(row.method, row.path, row.header...); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
	for path, want := range map[string]string{
		"meta-data/instance-id": b.id, "meta-data/placement/region": "us-east-1", "meta-data/placement/availability-zone": "us-east-1b",
		"meta-data/local-ipv4": i.PrivateIP, "meta-data/instance-life-cycle": "spot", "meta-data/tags/instance/serve:service": "web",
		"meta-data/placement/": "availability-zone\navailability-zone-id\nregion", "user-data": i.UserData,
		"meta-data/spot/instance-action": "not found", "meta-data/events/recommendations/rebalance": "not found", "meta-data/spot": "not found",
	} {
		if got := b.metadata(path); got != want {
			t.Errorf("of %s it is told %q, want %q", path, got, want)
		}
	}
	if got := b.metadata("dynamic/instance-identity/document"); !strings.Contains(got, fmt.Sprintf("%q: %q", "instanceId", b.id)) {
		t.Errorf("its document is %s", got)
	}
}

func TestASpotMachineIsWarnedAndThenGone(t *testing.T) {
	t.Parallel()
	b := boot(t, `trap 'echo asked to end; exit' TERM; echo up; while :; do sleep 0.02; done`, inSpot)
	b.printed("up")
	b.aws.Rebalance(b.id)
	if got := b.metadata("meta-data/events/recommendations/rebalance"); !strings.HasPrefix(got, `{"noticeTime":"20`) {
		t.Errorf("of a rebalance it is told %q", got)
	}
	before := time.Now()
	b.aws.Interrupt(b.id, 500*time.Millisecond)
	if got := b.metadata("meta-data/spot/instance-action"); !strings.HasPrefix(got, `{"action": "terminate", "time": "20`) {
		t.Errorf("of its end it is told %q", got)
	}
	i := b.gone()
	if i.Reason != "Server.SpotInstanceTermination" || i.Ended.Sub(before) < 500*time.Millisecond {
		t.Errorf("it ended %v after the notice because of %s", i.Ended.Sub(before), i.Reason)
	}
	if !strings.Contains(b.aws.Console(b.id), "asked to end") {
		t.Errorf("it was not shut down:\n%s", b.aws.Console(b.id))
	}
}

func TestAMachineEndsAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, script, reason string
		change               func(*ec2.RunInstancesInput)
		do                   func(*booted)
		state                string
	}{
		{
			name: "one that shuts itself down is terminated", script: "shutdown -h now",
			reason: "Client.InstanceInitiatedShutdown", state: "terminated",
		}, {
			name: "or stopped if nothing else was said", script: "shutdown -h now", state: "stopped",
			change: func(in *ec2.RunInstancesInput) { in.InstanceInitiatedShutdownBehavior = "" },
		}, {
			name: "one that is terminated", reason: "Client.UserInitiatedShutdown", state: "terminated",
			do: func(b *booted) {
				if _, err := b.ec2.TerminateInstances(b.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{b.id}}); err != nil {
					b.Fatal(err)
				}
			},
		}, {
			name: "one that breaks", reason: "Server.InternalError", state: "terminated", do: func(b *booted) { b.aws.Kill(b.id) },
		}, {
			name: "one that was frozen before", reason: "Client.InstanceInitiatedShutdown", state: "terminated",
			do: func(b *booted) { b.aws.Unplug(b.id); b.aws.Shutdown(b.id) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.script == "" {
				row.script = "echo up; exec sleep 3600"
			}
			b := boot(t, row.script, row.change)
			if row.do != nil {
				b.printed("up")
				row.do(b)
			}
			i := b.await("the end", func(i awstest.Instance) bool { return i.State == row.state })
			if i.Reason != row.reason {
				t.Errorf("the reason is %q, want %q", i.Reason, row.reason)
			}
			if row.state != "stopped" {
				return
			}
			if _, err := b.ec2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{b.id}}); err != nil {
				t.Fatal(err)
			}
			b.gone()
		})
	}
}

func TestTheConsoleOfAMachineCanBeRead(t *testing.T) {
	t.Parallel()
	b := boot(t, "echo I am here; exec sleep 3600", nil)
	b.printed("I am here")
	out, err := b.ec2.GetConsoleOutput(t.Context(), &ec2.GetConsoleOutputInput{InstanceId: aws.String(b.id)})
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(*out.Output)
	if err != nil || !strings.Contains(string(text), "I am here\n") {
		t.Errorf("the console has %q, %v", text, err)
	}
}
