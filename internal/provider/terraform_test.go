// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
)

// source is the provider's address in the configurations of these tests.
const source = "registry.terraform.io/serve-infra/serve"

// terraform is a working directory in which a real Terraform talks to a provider
// in this process. The test harness of HashiCorp runs one configuration with one
// expected error at a time; this shows all that Terraform says.
type terraform struct {
	dir string
	env []string
}

// newTerraform writes a configuration and serves the provider to it.
func newTerraform(t *testing.T, f *infra, config string) *terraform {
	t.Helper()
	tf := &terraform{dir: t.TempDir()}
	writeFile(t, filepath.Join(tf.dir, "main.tf"), `terraform {
  required_providers {
    serve = { source = "`+source+`" }
  }
}
`+config)

	ctx, cancel := context.WithCancel(context.Background())
	reattach := make(chan *plugin.ReattachConfig)
	closed := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		factory := func() tfprotov6.ProviderServer { return providerserver.NewProtocol6(New(options(f))())() }
		served <- tf6server.Serve(source, factory, tf6server.WithDebug(ctx, reattach, closed), tf6server.WithoutLogStderrOverride(),
			tf6server.WithGoPluginLogger(hclog.NewNullLogger()), tf6server.WithLoggingSink(t))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving the provider: %v", err)
		}
	})
	c := <-reattach
	data, err := json.Marshal(map[string]any{source: map[string]any{
		"Protocol": "grpc", "ProtocolVersion": 6, "Pid": c.Pid, "Test": true,
		"Addr": map[string]string{"Network": c.Addr.Network(), "String": c.Addr.String()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	tf.env = []string{"TF_REATTACH_PROVIDERS=" + string(data), "TF_INPUT=0", "TF_IN_AUTOMATION=1"}
	return tf
}

// diagnostic is one error or warning, as Terraform gives them to programs.
type diagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	Range    struct {
		Filename string `json:"filename"`
		Start    struct {
			Line int `json:"line"`
		} `json:"start"`
	} `json:"range"`
	Snippet struct {
		Context string `json:"context"`
		Code    string `json:"code"`
	} `json:"snippet"`
}

// command runs Terraform and gives what it printed. It fails when there are
// errors in a configuration, which is what these tests are about.
func (tf *terraform) command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "terraform", args...)
	cmd.Dir = tf.dir
	cmd.Env = append(cmd.Environ(), tf.env...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("running terraform %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// validate gives what terraform validate finds.
func (tf *terraform) validate(t *testing.T) []diagnostic {
	t.Helper()
	var result struct {
		Diagnostics []diagnostic `json:"diagnostics"`
	}
	out := tf.command(t, "validate", "-json")
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("reading the output of terraform validate: %v\n%s", err, out)
	}
	return result.Diagnostics
}

// plan gives what terraform plan finds.
func (tf *terraform) plan(t *testing.T) []diagnostic {
	t.Helper()
	var found []diagnostic
	out := tf.command(t, "plan", "-json", "-refresh=false")
	for line := range strings.Lines(out) {
		var message struct {
			Diagnostic *diagnostic `json:"diagnostic"`
		}
		if err := json.Unmarshal([]byte(line), &message); err != nil {
			t.Fatalf("reading the output of terraform plan: %v\n%s", err, out)
		}
		if message.Diagnostic != nil {
			found = append(found, *message.Diagnostic)
		}
	}
	return found
}
