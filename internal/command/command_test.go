// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// execute runs a command of the program and gives what it printed and its exit
// code.
func execute(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	p := Program{Version: "1.2.3", Stdout: &out, Stderr: &err}
	code = p.Run(args)
	return out.String(), err.String(), code
}

func TestCommandLineMistakes(t *testing.T) {
	t.Setenv("SERVE_HOME", t.TempDir())
	for _, row := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"an unknown command", []string{"fly"}, 2, `no command "fly"`},
		{"an unknown flag", []string{"status", "--colour"}, 2, "colour"},
		{"logs of nobody", []string{"logs"}, 2, "number of arguments"},
		{"logs of both a replica and the controller", []string{"logs", "web", "1", "--controller"}, 2, "not both"},
		{"an id that is no number", []string{"preempt", "web", "one"}, 2, `"one" is not the id of a replica`},
		{"an id that is no id", []string{"terminate", "web", "0"}, 2, `"0" is not the id of a replica`},
		{"a service that is not there", []string{"events", "web"}, 1, "not found"},
		{"the status of a service that is not there", []string{"status", "web"}, 1, "no such service"},
		{"the endpoint of a service that is not there", []string{"status", "--endpoint", "web"}, 1, "no such service"},
		{"the endpoint of nobody", []string{"status", "--endpoint"}, 2, "name of one service"},
		{"a preemption in a service that is not there", []string{"preempt", "web", "1"}, 1, "web"},
		{"a change of the market that changes nothing", []string{"market", "set", "us-east1"}, 2, "a zone and a capacity"},
		{"a zone that is not there", []string{"market", "set", "mars", "--spot", "1"}, 1, "mars"},
	} {
		if _, stderr, code := execute(row.args...); code != row.code || !strings.Contains(stderr, row.stderr) {
			t.Errorf("%s ends with %d, and says %q", row.name, code, stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	out, _, code := execute("help")
	for _, e := range entries() {
		if shown := strings.Contains(out, "  "+e.name+" "); code != 0 || shown == e.hidden {
			t.Errorf("help ends with %d and shows %s: %v", code, e.name, shown)
		}
	}
	if out, _, code := execute("logs", "--help"); code != 0 || !strings.Contains(out, "NAME [ID]") {
		t.Errorf("logs --help ends with %d: %s", code, out)
	}
	if out, _, code := execute("version"); code != 0 || out != "1.2.3\n" {
		t.Errorf("version ends with %d: %s", code, out)
	}
}

// A person looks at a service, plays with the market, and ends the service.
func TestCommandsOnARunningService(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real processes")
	}
	s := newSite(t)
	t.Setenv("SERVE_HOME", s.home)
	client := s.deploy(s.spec("web", 2))
	await(t, client, "2/2 on spot", spotOnly(2))

	out, _, code := execute("status", "--json", "web")
	var services []struct {
		Name     string `json:"name"`
		Replicas []struct {
			ID     int64        `json:"id"`
			Status serve.Status `json:"status"`
		} `json:"replicas"`
	}
	if err := json.Unmarshal([]byte(out), &services); err != nil || code != 0 || len(services) != 1 || services[0].Replicas[0].Status != serve.Ready {
		t.Errorf("status --json gives %v, %d:\n%s", err, code, out)
	}
	for _, row := range []struct {
		args []string
		want []string
	}{
		{[]string{"status"}, []string{"SERVICE_NAME", "web", "2/2", "1x LOCAL([Spot]vCPU=2)", "us-east1"}},
		{[]string{"status", "--endpoint", "web"}, []string{"http://127.0.0.1:"}},
		{[]string{"logs", "web", "1"}, []string{"listening on 127."}},
		{[]string{"logs", "web"}, []string{"[1] listening on 127.", "[2] listening on 127."}},
		{[]string{"logs", "web", "--controller", "--tail", "5"}, []string{`"msg"`}},
		{[]string{"events", "web"}, []string{"Revision 1 is accepted", "Launch spot replica 1 in local/us-east1", "Replica 2 is READY", "not spot local-4"}},
		{[]string{"market"}, []string{"us-central1-a", "on_demand", "CAPACITY"}},
		{[]string{"market", "set", "us-west1", "--spot", "3"}, []string{"us-west1-a"}},
		{[]string{"preempt", "web", "1"}, nil},
	} {
		out, stderr, code := execute(row.args...)
		for _, want := range row.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v does not print %q:\n%s", row.args, want, out)
			}
		}
		if code != 0 {
			t.Errorf("%v ends with %d: %s", row.args, code, stderr)
		}
	}
	await(t, client, "replica 1 replaced", func(service serve.Service) bool {
		return spotOnly(2)(service) && service.Replicas[0].ID == 2
	})
	if out, _, code := execute("logs", "web", "1"); code != 0 || !strings.Contains(out, "listening on") {
		t.Errorf("the log of a replica that is gone is, %d: %s", code, out)
	}
	if _, stderr, code := execute("down", "web"); code != 0 {
		t.Errorf("down ends with %d: %s", code, stderr)
	}
	if left := s.processes(); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}
