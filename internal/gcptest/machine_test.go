// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	compute "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"

	"github.com/serve-infra/terraform-provider-serve/internal/cloudtest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

// booted is a cloud with one instance that runs a script.
type booted struct {
	*rig

	name string
}

// script is the startup script of an instance.
func script(text string) func(*computepb.InsertInstanceRequest) {
	return func(in *computepb.InsertInstanceRequest) {
		in.InstanceResource.Metadata = &computepb.Metadata{Items: []*computepb.Items{
			{Key: new("startup-script"), Value: new("#!/bin/bash\n" + text + "\n")}, {Key: new("colour"), Value: new("blue")},
		}}
	}
}

// on gives the instance an image of a family.
func on(project, family string) func(*computepb.InsertInstanceRequest) {
	return func(in *computepb.InsertInstanceRequest) {
		in.InstanceResource.Disks[0].InitializeParams.SourceImage = new("projects/" + project + "/global/images/family/" + family)
	}
}

func boot(t *testing.T, options gcptest.Options, change ...func(*computepb.InsertInstanceRequest)) *booted {
	t.Helper()
	options.Machines = true
	b := &booted{newRig(t, options), "web-1"}
	b.run(b.name, change...)
	return b
}

// entry is what the books have of the instance.
func (b *booted) entry() gcptest.Instance {
	i, _ := b.gcp.Books().Instance(b.name)
	return i
}

// await waits until the books have an instance as it is wanted.
func (b *booted) await(what string, is func(gcptest.Instance) bool) gcptest.Instance {
	b.Helper()
	return cloudtest.Await(b, what, b.entry, is, func() string { return b.gcp.Console(b.name) })
}

// printed waits until something was printed on the machine.
func (b *booted) printed(what string) {
	b.Helper()
	b.await("the line "+what, func(gcptest.Instance) bool { return strings.Contains(b.gcp.Console(b.name), what+"\n") })
}

// ask asks the metadata server, which is on loopback, too.
func (b *booted) ask(path string, header ...string) (int, string) {
	b.Helper()
	res, text := cloudtest.Ask(b, http.MethodGet, "http://"+b.entry().PrivateIP+":1338"+path, header...)
	if res.Header.Get("Metadata-Flavor") != "Google" {
		b.Errorf("the answer for %s is not Google's", path)
	}
	return res.StatusCode, text
}

// metadata asks as it is to be asked.
func (b *booted) metadata(path string) string {
	b.Helper()
	status, text := b.ask("/computeMetadata/v1/"+path, "Metadata-Flavor", "Google")
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
	b := boot(t, gcptest.Options{}, inSpot, script(`echo "$(hostname) at $GCE_METADATA_HOST"; exec sleep 3600`),
		func(in *computepb.InsertInstanceRequest) {
			in.InstanceResource.ServiceAccounts = []*computepb.ServiceAccount{{
				Email: new(gcptest.Account), Scopes: []string{"https://www.googleapis.com/auth/cloud-platform"},
			}}
		})
	i := b.entry()
	b.printed(b.name + " at " + i.PrivateIP + ":1338")
	if !strings.HasPrefix(i.PrivateIP, "127.") || i.PublicIP != i.PrivateIP {
		t.Errorf("its addresses are %s and %s, want one of loopback", i.PrivateIP, i.PublicIP)
	}
	for _, row := range []struct {
		name, path string
		header     []string
		want       int
	}{
		{"a machine finds out where it is", "/", nil, 200},
		{"without the header nothing is told", "/computeMetadata/v1/instance/id", nil, 403},
		{"nor by way of a proxy", "/computeMetadata/v1/instance/id", []string{"Metadata-Flavor", "Google", "X-Forwarded-For", "10.0.0.1"}, 403},
		{"there are not all versions", "/computeMetadata/v9/instance/id", []string{"Metadata-Flavor", "Google"}, 404},
	} {
		if got, _ := b.ask(row.path, row.header...); got != row.want {
			t.Errorf("%s: got %d, want %d", row.name, got, row.want)
		}
	}
	for path, want := range map[string]string{
		"instance/id": fmt.Sprint(i.ID), "instance/name": b.name, "instance/zone": "projects/" + gcptest.ProjectNumber + "/zones/" + zone,
		"instance/attributes/colour": "blue", "instance/attributes/": "colour\nstartup-script\n", "instance/attributes/shape": "not found",
		"instance/network-interfaces/0/ip": i.PrivateIP, "instance/network-interfaces/0/access-configs/0/external-ip": i.PublicIP,
		"instance/preempted": "FALSE", "instance/maintenance-event": "NONE", "project/project-id": gcptest.Project,
		"instance/service-accounts/default/email": gcptest.Account, "instance/service-accounts/nobody/token": "not found",
		"instance/network-interfaces/?recursive=true": `[{"accessConfigs":[{"externalIp":"` + i.PublicIP + `","type":"ONE_TO_ONE_NAT"}],` +
			`"gateway":"10.142.0.1","ip":"` + i.PrivateIP + `","mac":"42:01:0a:8e:00:02","mtu":"1460",` +
			`"network":"projects/123456789012/networks/default","subnetmask":"255.255.240.0"}]`,
	} {
		if got := b.metadata(path); got != want {
			t.Errorf("of %s it is told %q, want %q", path, got, want)
		}
	}
	if got := b.metadata("instance/?recursive=true"); !strings.Contains(got, `"maintenanceEvent":"NONE"`) || !strings.Contains(got, `"startup-script":"#!`) {
		t.Errorf("of all it is told %s", got)
	}
	_, token, _ := strings.Cut(b.metadata("instance/service-accounts/default/token"), `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	client := &http.Client{Transport: bearer{token, b.gcp.Client().Transport}}
	res, err := client.Get("https://compute.googleapis.com/compute/v1/projects/" + gcptest.Project)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("with its token it is told %v, %v", res, err)
	}
}

func TestASpotMachineIsWarnedAndThenGone(t *testing.T) {
	t.Parallel()
	b := boot(t, gcptest.Options{}, inSpot, script(`trap 'echo asked to end; exit' TERM; echo up; while :; do sleep 0.02; done`))
	b.printed("up")
	_, tag := b.ask("/computeMetadata/v1/instance/preempted?alt=json", "Metadata-Flavor", "Google")
	told := make(chan string)
	go func() { told <- b.metadata("instance/preempted?wait_for_change=true") }()
	if got := b.metadata("instance/preempted?wait_for_change=true&timeout_sec=1"); got != "FALSE" {
		t.Errorf("whoever waits for a second is told %s (%s)", got, tag)
	}
	before := time.Now()
	b.gcp.Preempt(b.name, 500*time.Millisecond)
	if got := <-told; got != "TRUE" {
		t.Errorf("whoever waits is told %s", got)
	}
	i := b.await("the end", func(i gcptest.Instance) bool { return i.State == "" })
	if i.Reason != "compute.instances.preempted" || i.Ended.Sub(before) < 500*time.Millisecond {
		t.Errorf("it ended %v after the notice because of %s", i.Ended.Sub(before), i.Reason)
	}
	if !strings.Contains(b.gcp.Console(b.name), "asked to end") {
		t.Errorf("it was not shut down:\n%s", b.gcp.Console(b.name))
	}
	if left := b.gcp.Books().Left(); len(left) > 0 {
		t.Errorf("there is left: %q", left)
	}
}

func TestAMachineEndsAsItWasAskedFor(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, script, reason, state string
		do                          func(*booted)
	}{
		{name: "one that shuts itself down can be started again", script: "shutdown -h now", reason: "compute.instances.guestTerminate", state: "TERMINATED"},
		{
			name: "one that is deleted is gone", reason: "delete", state: "",
			do: func(b *booted) {
				if err := b.remove(b.name); err != nil {
					b.Error(err)
				}
			},
		},
		{name: "one that breaks", reason: "compute.instances.hostError", state: "TERMINATED", do: func(b *booted) { b.gcp.Fail(b.name) }},
		{
			name: "one that was frozen before", reason: "compute.instances.guestTerminate", state: "TERMINATED",
			do: func(b *booted) { b.gcp.Unplug(b.name); b.gcp.Shutdown(b.name) },
		},
		{name: "one whose whole cloud is lost", reason: "compute.instances.hostError", state: "TERMINATED", do: func(b *booted) { b.gcp.Down(true) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.script == "" {
				row.script = "echo up; exec sleep 3600"
			}
			b := boot(t, gcptest.Options{Stopping: 500 * time.Millisecond}, script(row.script), func(in *computepb.InsertInstanceRequest) {
				in.InstanceResource.Scheduling = &computepb.Scheduling{AutomaticRestart: new(false)}
			})
			if row.do != nil {
				b.printed("up")
				row.do(b)
			}
			if i := b.await("the end", func(i gcptest.Instance) bool { return i.State == row.state }); i.Reason != row.reason {
				t.Errorf("the reason is %q, want %q", i.Reason, row.reason)
			}
		})
	}
}

func TestAMachineIsStartedAgainWithItsDisk(t *testing.T) {
	t.Parallel()
	b := boot(t, gcptest.Options{}, on("cos-cloud", "cos-stable"), script(`
		cd /var/lib/google; before=$(cat count); echo x >>count; echo "up again: $before"
		cp /bin/true /var/mine; /var/mine || echo no program runs in /var
		mkdir /opt/mine || echo nothing is written to /opt
		iptables -w -A INPUT -p tcp --dport 8080 -j ACCEPT
		exec sleep 3600`))
	for _, line := range []string{"up again: ", "no program runs in /var", "nothing is written to /opt", "port 8080 is open"} {
		b.printed(line)
	}
	b.gcp.Fail(b.name)
	b.printed("up again: x")
	b.gcp.Down(true)
	b.await("the end", func(i gcptest.Instance) bool { return i.State == "TERMINATED" })
	b.gcp.Down(false)
	b.printed("up again: x\nx")
	out, err := b.instances.GetSerialPortOutput(t.Context(), &computepb.GetSerialPortOutputInstanceRequest{
		Project: gcptest.Project, Zone: zone, Instance: b.name,
	})
	if err != nil || !strings.Contains(out.GetContents(), "up again: x\n") {
		t.Errorf("its serial port says %q, %v", out.GetContents(), err)
	}
}

func TestAReservedAddressPassesOnWhatComes(t *testing.T) {
	t.Parallel()
	const port = 18080
	b := boot(t, gcptest.Options{Ports: []int{port}}, script("exec sleep 3600"))
	ip := b.reserve("site")
	serve := func(says string) func(*computepb.InsertInstanceRequest) {
		return script(fmt.Sprintf("mkdir /opt/www; cd /opt/www; echo %s >says; exec python3 -um http.server -b ${GCE_METADATA_HOST%%:*} %d", says, port))
	}
	at := func(in *computepb.InsertInstanceRequest) {
		in.InstanceResource.NetworkInterfaces[0].AccessConfigs[0].NatIP = &ip
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	asked := func(want string) {
		t.Helper()
		res, err := client.Get(fmt.Sprintf("http://%s:%d/says", ip, port))
		if err != nil {
			t.Fatal(err)
		}
		if got := cloudtest.Read(t, res); got != want+"\n" {
			t.Errorf("at the address somebody says %q, want %q", got, want)
		}
	}
	listens := func() {
		t.Helper()
		i := b.entry()
		b.printed(fmt.Sprintf("Serving HTTP on %s port %d (http://%[1]s:%[2]d/) ...", i.PrivateIP, port))
	}
	b.name = "site-1"
	b.run(b.name, serve("one"), at)
	listens()
	asked("one")
	if err := b.insert(request("site-2", at)); reason(err) != "invalid" {
		t.Errorf("two have the same address: %v", err)
	}
	if err := b.remove("site-1"); err != nil {
		t.Fatal(err)
	}
	if res, err := client.Get(fmt.Sprintf("http://%s:%d/says", ip, port)); err == nil {
		t.Errorf("it leads to what is gone: %s", cloudtest.Read(t, res))
	}
	b.name = "site-2"
	b.run(b.name, serve("two"), at)
	listens()
	asked("two")
}

// reserve reserves an address, and gives it.
func (r *rig) reserve(name string) string {
	r.Helper()
	addresses := made(r.T, compute.NewAddressesRESTClient, r.options)
	if _, err := addresses.Insert(r.Context(), &computepb.InsertAddressRequest{
		Project: gcptest.Project, Region: "us-east1", AddressResource: &computepb.Address{Name: &name},
	}); err != nil {
		r.Fatal(err)
	}
	a, err := addresses.Get(r.Context(), &computepb.GetAddressRequest{Project: gcptest.Project, Region: "us-east1", Address: name})
	if err != nil {
		r.Fatal(err)
	}
	return a.GetAddress()
}
