// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package serve_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestAmountFits(t *testing.T) {
	t.Parallel()
	rows := []struct {
		amount string
		v      float64
		fits   bool
	}{
		{"4", 4, true},
		{"4", 8, false},
		{"4", 3, false},
		{"4+", 4, true},
		{"4+", 8, true},
		{"4+", 3.9, false},
		{"0.5", 0.5, true},
		{" 2+ ", 2, true},
		{"", 0, true},
		{"", 96, true},
	}
	for _, row := range rows {
		a, err := serve.ParseAmount(row.amount)
		if err != nil {
			t.Errorf("ParseAmount(%q): %v", row.amount, err)
		}
		if got := a.Fits(row.v); got != row.fits {
			t.Errorf("%q fits %v: got %v, want %v", row.amount, row.v, got, row.fits)
		}
	}
}

func TestAmountString(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"4", "4+", "0.25", "1000000+"} {
		a, err := serve.ParseAmount(want)
		if err != nil || a.String() != want {
			t.Errorf("ParseAmount(%q) = %v, %v; want the same text again", want, a, err)
		}
	}
}

func TestParseMemory(t *testing.T) {
	t.Parallel()
	rows := map[string]serve.Amount{
		"":          {AtLeast: true},
		"32":        {Value: 32},
		"32+":       {Value: 32, AtLeast: true},
		"32GB":      {Value: 32},
		"32 GiB+":   {Value: 32, AtLeast: true},
		"1.5tb":     {Value: 1536},
		"1P":        {Value: 1 << 20},
		"512MB":     {Value: 0.5},
		"1048576kB": {Value: 1},
		"1.5TiB+":   {Value: 1536, AtLeast: true},
	}
	for s, want := range rows {
		if got, err := serve.ParseMemory(s); err != nil || got != want {
			t.Errorf("ParseMemory(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"GB", "-1GB", "0", "1+GB", "1 2", "NaN", "1XB", "+", " "} {
		if got, err := serve.ParseMemory(s); err == nil {
			t.Errorf("ParseMemory(%q) = %v; want an error", s, got)
		}
	}
}

func TestParseDiskSize(t *testing.T) {
	t.Parallel()
	rows := map[string]float64{"": 0, "256": 256, "1TB": 1024, "512 MB": 0.5}
	for s, want := range rows {
		if got, err := serve.ParseDiskSize(s); err != nil || got != want {
			t.Errorf("ParseDiskSize(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"256+", "0", "-1", "big"} {
		if _, err := serve.ParseDiskSize(s); err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("ParseDiskSize(%q): got %v, want an error that names the value", s, err)
		}
	}
}

func TestParseAccelerators(t *testing.T) {
	t.Parallel()
	rows := []struct {
		in    string
		name  string
		count float64
	}{
		{"", "", 0},
		{"A100", "A100", 1},
		{"A100-80GB:8", "A100-80GB", 8},
		{"tpu-v2-8:0.5", "tpu-v2-8", 0.5},
	}
	for _, row := range rows {
		name, count, err := serve.ParseAccelerators(row.in)
		if err != nil || name != row.name || count != row.count {
			t.Errorf("ParseAccelerators(%q) = %q, %v, %v; want %q, %v", row.in, name, count, err, row.name, row.count)
		}
	}
	for _, s := range []string{":1", "A100:", "A100:0", "A100:-1", "A100:x", "A100:1:2", "A B", "A,B"} {
		if name, count, err := serve.ParseAccelerators(s); err == nil {
			t.Errorf("ParseAccelerators(%q) = %q, %v; want an error", s, name, count)
		}
	}
}

func TestParsePorts(t *testing.T) {
	t.Parallel()
	rows := map[string][]serve.PortRange{
		"":                      nil,
		"8080":                  {{From: 8080, To: 8080}},
		"1-65535":               {{From: 1, To: 65535}},
		"80, 443 , 8000 - 8010": {{From: 80, To: 80}, {From: 443, To: 443}, {From: 8000, To: 8010}},
	}
	for s, want := range rows {
		got, err := serve.ParsePorts(s)
		if err != nil {
			t.Errorf("ParsePorts(%q): %v", s, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ParsePorts(%q) (-want +got):\n%s", s, diff)
		}
	}
	for _, s := range []string{"x", "0", "65536", "-1", "1-", "1-2-3", "2-1", "1-65536", ",", "80 443"} {
		if got, err := serve.ParsePorts(s); err == nil {
			t.Errorf("ParsePorts(%q) = %v; want an error", s, got)
		}
	}
}

func TestPort(t *testing.T) {
	t.Parallel()
	entry := func(ports string) serve.Resource { return serve.Resource{Ports: ports} }
	rows := []struct {
		name    string
		service int
		outer   string
		anyOf   []serve.Resource
		want    int
	}{
		{"the only port", 0, "8080", nil, 8080},
		{"the service's own choice", 8081, "8080-8090", nil, 8081},
		{"none is open", 0, "", nil, 0},
		{"several are open", 0, "80,81", nil, 0},
		{"a range is open", 0, "80-81", nil, 0},
		{"the ports cannot be read", 0, "http", nil, 0},
		{"every entry inherits the same", 0, "8080", []serve.Resource{{Infra: "aws"}, {Infra: "gcp"}}, 8080},
		{"every entry opens the same", 0, "", []serve.Resource{entry("8080"), entry("8080")}, 8080},
		{"the entries open different ports", 0, "", []serve.Resource{entry("8080"), entry("9090")}, 0},
		{"one entry opens none", 0, "", []serve.Resource{entry("8080"), {}}, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := valid()
			s.Ports, s.Resources.Ports, s.Resources.AnyOf = row.service, row.outer, row.anyOf
			if got := s.Port(); got != row.want {
				t.Errorf("got %d, want %d", got, row.want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"readiness_probe", "replica_policy", "replicas", "ports", "tls"}
	rows := map[string]string{
		"readines_probe": "readiness_probe",
		"replica":        "replicas",
		"Replica_Policy": "replica_policy",
		"port":           "ports",
		"tsl":            "tls",
		"":               "",
		"autoscaling":    "",
	}
	for word, want := range rows {
		if got := serve.Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
