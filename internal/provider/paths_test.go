// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestPathsOfTheDomainArePathsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		domain string
		want   path.Path
	}{
		{"name", path.Root("name")},
		{"readiness_probe.path", path.Root("readiness_probe").AtName("path")},
		{"resources.any_of[1].use_spot", path.Root("resources").AtName("any_of").AtListIndex(1).AtName("use_spot")},
		{`resources.ordered[0].labels["a.b[c]"]`, path.Root("resources").AtName("ordered").AtListIndex(0).AtName("labels").AtMapKey("a.b[c]")},
		{`envs["A"]`, path.Root("envs").AtMapKey("A")},
		{`file_mounts["/a \"b\""]`, path.Root("file_mounts").AtMapKey(`/a "b"`)},
		{`secrets["TOKEN"]`, path.Root("secrets_wo").AtMapKey("TOKEN")},
		{"tls.certificate", path.Root("tls").AtName("certfile")},
		{"tls.key", path.Root("tls").AtName("keyfile")},
		{`replica_policy.target_qps_per_replica["A100"]`, path.Root("replica_policy").AtName("target_qps_per_replica")},
		{"", path.Empty()},
		{"envs[A", path.Root("envs").AtMapKey("A")},
	} {
		t.Run(row.domain, func(t *testing.T) {
			t.Parallel()
			if got := parsePlace(row.domain).attribute(); !got.Equal(row.want) {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestOnlyWhatIsDecidedIsReported(t *testing.T) {
	t.Parallel()
	steps := tftypes.NewAttributePath
	for _, row := range []struct {
		what     string
		unknown  *tftypes.AttributePath
		err      serve.FieldError
		reported bool
	}{
		{"an error at what is unknown is not", steps().WithAttributeName("run"), serve.FieldError{Path: "run"}, false},
		{"an error at something else is", steps().WithAttributeName("run"), serve.FieldError{Path: "name"}, true},
		{"an error whose name only begins alike is", steps().WithAttributeName("replica"), serve.FieldError{Path: "replicas"}, true},
		{"an error within what is unknown is not", steps().WithAttributeName("resources"), serve.FieldError{Path: "resources.any_of[0].cpus"}, false},
		{"an error at something that has an unknown part is not", steps().WithAttributeName("envs").WithElementKeyString("A"), serve.FieldError{Path: "envs"}, false},
		{"an error at another element is", steps().WithAttributeName("envs").WithElementKeyString("A"), serve.FieldError{Path: `envs["B"]`}, true},
		{"an error in another alternative is", steps().WithAttributeName("resources").WithAttributeName("any_of").WithElementKeyInt(0), serve.FieldError{Path: "resources.any_of[1].cpus"}, true},
		{"an error that looked at what is unknown is not", steps().WithAttributeName("replica_policy").WithAttributeName("min_replicas"),
			serve.FieldError{Path: "replica_policy.max_replicas", Related: []string{"replica_policy.min_replicas"}}, false},
		{"secrets go by their own name", steps().WithAttributeName("secrets_wo"), serve.FieldError{Path: `secrets["A"]`}, false},
		{"a dynamic object is a map to the domain", steps().WithAttributeName("replica_policy").WithAttributeName("target_qps_per_replica").WithAttributeName("A100"),
			serve.FieldError{Path: `replica_policy.target_qps_per_replica["A100"]`}, false},
	} {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			left := decidable(serve.FieldErrors{row.err}, []place{placeOf(row.unknown)})
			if reported := len(left) == 1; reported != row.reported {
				t.Errorf("reported is %t, want %t", reported, row.reported)
			}
		})
	}
}

func TestErrorsArePlacedWhereTerraformFindsThem(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ at, shown path.Path }{
		{path.Root("name"), path.Root("name")},
		{path.Root("envs").AtMapKey("A"), path.Root("envs").AtMapKey("A")},
		{path.Root("readiness_probe").AtName("path"), path.Root("readiness_probe")},
		{path.Root("resources").AtName("labels").AtMapKey("A"), path.Root("resources")},
		{path.Root("resources").AtName("any_of").AtListIndex(1).AtName("cpus"), path.Root("resources")},
	} {
		t.Run(row.at.String(), func(t *testing.T) {
			t.Parallel()
			var diags diag.Diagnostics
			invalid(&diags, row.at, "No.")
			got, ok := diags[0].(diag.DiagnosticWithPath)
			if !ok || !got.Path().Equal(row.shown) || got.Summary() != "Invalid "+row.at.String() {
				t.Errorf("got %v, want it at %s", diags[0], row.shown)
			}
		})
	}
}

func TestAnImportIDIsANameOrAPlaceAndAName(t *testing.T) {
	t.Parallel()
	for id, want := range map[string][3]string{
		"web":                 {"local", "", "web"},
		"kubernetes/web":      {"kubernetes", "", "web"},
		"kubernetes/apps/web": {"kubernetes", "apps", "web"},
	} {
		infra, namespace, name, err := parseImportID(id)
		if err != nil || infra != want[0] || namespace != want[1] || name != want[2] {
			t.Errorf("%q is %q in %q on %q, %v; want %q", id, name, namespace, infra, err, want)
		}
		if from := importID(infra, namespace, name); infra != localInfra && from != id {
			t.Errorf("%q has come to be %q", id, from)
		}
	}
	for _, id := range []string{"", "/web", "kubernetes/", "kubernetes//web", "/", "kubernetes/a/b/web"} {
		if _, _, _, err := parseImportID(id); err == nil || !strings.Contains(err.Error(), "INFRA/NAMESPACE/NAME") {
			t.Errorf("%q gives %v, want an error that says what an id is", id, err)
		}
	}
}
