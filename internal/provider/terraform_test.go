// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
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
	return newTerraformWith(t, options(f), config)
}

// newTerraformWith does so with a provider of one's own making.
func newTerraformWith(t *testing.T, o Options, config string) *terraform {
	t.Helper()
	tf := &terraform{dir: t.TempDir()}
	tf.write(t, config)

	reattach := make(chan *plugin.ReattachConfig)
	closed := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		factory := func() tfprotov6.ProviderServer { return providerserver.NewProtocol6(New(o)())() }
		served <- tf6server.Serve(source, factory, tf6server.WithDebug(t.Context(), reattach, closed), tf6server.WithoutLogStderrOverride(),
			tf6server.WithGoPluginLogger(hclog.NewNullLogger()), tf6server.WithLoggingSink(t))
	}()
	t.Cleanup(func() { // the test's context has ended by now
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

// write replaces the configuration.
func (tf *terraform) write(t *testing.T, config string) {
	t.Helper()
	writeFile(t, filepath.Join(tf.dir, "main.tf"), `terraform {
  required_providers {
    serve = { source = "`+source+`" }
  }
}
`+config)
}

// becomes applies a configuration, and checks what Terraform planned to do with
// the service for it, that nobody complained, and that nothing is left to do.
func (tf *terraform) becomes(t *testing.T, action, config string) {
	t.Helper()
	tf.write(t, config)
	out, ok := tf.command(t, "apply", "-auto-approve", "-json")
	if found := diagnostics(t, out); !ok || len(found) > 0 {
		t.Fatalf("applying gave %+v", found)
	}
	if got := planned(t, out); got != action {
		t.Errorf("the plan is to %s, want %s", got, action)
	}
	if tf.changes(t) {
		t.Error("the next plan changes something")
	}
}

// planned gives what Terraform planned to do with the service: noop when there
// is no word of it.
func planned(t *testing.T, out string) string {
	t.Helper()
	for line := range strings.Lines(out) {
		var message struct {
			Type   string `json:"type"`
			Change struct {
				Action   string `json:"action"`
				Resource struct {
					Addr string `json:"addr"`
				} `json:"resource"`
			} `json:"change"`
		}
		if err := json.Unmarshal([]byte(line), &message); err != nil {
			t.Fatalf("reading the output of terraform: %v\n%s", err, out)
		}
		if message.Type == "planned_change" && message.Change.Resource.Addr == address {
			return message.Change.Action
		}
	}
	return "noop"
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

// start begins a run of Terraform, which ends with the test.
func (tf *terraform) start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "terraform", args...)
	cmd.Dir = tf.dir
	cmd.Env = append(cmd.Environ(), tf.env...)
	out := new(bytes.Buffer)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting terraform %s: %v", strings.Join(args, " "), err)
	}
	return cmd, out
}

// command runs Terraform and gives what it printed, and whether it succeeded:
// it fails when there are errors in a configuration, which some of these tests
// are about.
func (tf *terraform) command(t *testing.T, args ...string) (out string, ok bool) {
	t.Helper()
	cmd, buffer := tf.start(t, args...)
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("running terraform %s: %v", strings.Join(args, " "), err)
	}
	return buffer.String(), err == nil
}

// validate gives what terraform validate finds.
func (tf *terraform) validate(t *testing.T) []diagnostic {
	t.Helper()
	var result struct {
		Diagnostics []diagnostic `json:"diagnostics"`
	}
	out, _ := tf.command(t, "validate", "-json")
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatalf("reading the output of terraform validate: %v\n%s", err, out)
	}
	return result.Diagnostics
}

// plan gives what terraform plan finds.
func (tf *terraform) plan(t *testing.T) []diagnostic {
	t.Helper()
	out, _ := tf.command(t, "plan", "-json")
	return diagnostics(t, out)
}

// apply applies, and gives what Terraform had to say and whether it succeeded.
func (tf *terraform) apply(t *testing.T, args ...string) (found []diagnostic, ok bool) {
	t.Helper()
	out, ok := tf.command(t, append([]string{"apply", "-auto-approve", "-json"}, args...)...)
	return diagnostics(t, out), ok
}

// diagnostics reads the lines that plan and apply print for programs.
func diagnostics(t *testing.T, out string) []diagnostic {
	t.Helper()
	var found []diagnostic
	for line := range strings.Lines(out) {
		var message struct {
			Diagnostic *diagnostic `json:"diagnostic"`
		}
		if err := json.Unmarshal([]byte(line), &message); err != nil {
			t.Fatalf("reading the output of terraform: %v\n%s", err, out)
		}
		if message.Diagnostic != nil {
			found = append(found, *message.Diagnostic)
		}
	}
	return found
}

// changes reports whether a plan would change anything.
func (tf *terraform) changes(t *testing.T) bool {
	t.Helper()
	cmd, out := tf.start(t, "plan", "-detailed-exitcode")
	err := cmd.Wait()
	switch code := cmd.ProcessState.ExitCode(); code {
	case 0, 2:
		return code == 2
	default:
		t.Fatalf("planning: %v\n%s", err, out)
		return false
	}
}

// kept is what the state has of the service.
type kept struct {
	Tainted bool `json:"tainted"`
	Values  struct {
		Revision int64  `json:"revision"`
		Endpoint string `json:"endpoint"`
		Status   struct {
			Phase string `json:"phase"`
			Ready int    `json:"ready"`
		} `json:"status"`
	} `json:"values"`
}

// kept gives what the state has of the only resource, nil when there is none.
func (tf *terraform) kept(t *testing.T) *kept {
	t.Helper()
	var state struct {
		Values struct {
			Root struct {
				Resources []kept `json:"resources"`
			} `json:"root_module"`
		} `json:"values"`
	}
	out, _ := tf.command(t, "show", "-json")
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		t.Fatalf("reading the state: %v\n%s", err, out)
	}
	if len(state.Values.Root.Resources) == 0 {
		return nil
	}
	return &state.Values.Root.Resources[0]
}

// said checks that Terraform said just one thing, and all of the texts in it.
func said(t *testing.T, found []diagnostic, severity string, texts ...string) {
	t.Helper()
	if len(found) != 1 || found[0].Severity != severity {
		t.Fatalf("got %+v, want one %s", found, severity)
	}
	all := found[0].Summary + "\n" + found[0].Detail
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("the %s does not say %q:\n%s", severity, text, all)
		}
	}
}
