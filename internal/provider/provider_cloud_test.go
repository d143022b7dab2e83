// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// reaching is a configuration, and how a cloud is reached by it.
type reaching[C any] struct {
	config string
	want   *C
}

// allOfIt is the configuration that has every attribute that there is.
const allOfIt = "all of it"

// isHandedOn applies configurations, and looks at what the deployers are opened with.
func isHandedOn[C any](t *testing.T, of func(Settings) *C, rows map[string]reaching[C]) {
	t.Helper()
	for what, row := range rows {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			o := options(newInfra(ready))
			open := o.Deployers
			var last *C
			o.Deployers = func(s Settings) (map[string]serve.Deployer, error) {
				last = of(s)
				return open(s)
			}
			tf := newTerraformWith(t, o, row.config+service(""))
			if found, ok := tf.apply(t); !ok || len(found) > 0 {
				t.Fatalf("applying gave %+v", found)
			}
			if diff := cmp.Diff(row.want, last); diff != "" {
				t.Errorf("the deployers were opened with another (- wanted, + got):\n%s", diff)
			}
			for i, all := 0, reflect.ValueOf(*last); what == allOfIt && i < all.NumField(); i++ {
				if all.Field(i).IsZero() {
					t.Errorf("%s is not among all that there is", all.Type().Field(i).Name)
				}
			}
		})
	}
}

// eachIsSaid validates mistakes of what the provider is told of a cloud. Each must give
// one error, at its place.
func eachIsSaid(t *testing.T, cloud string, mistakes []mistake) {
	t.Helper()
	var b strings.Builder
	for i, m := range mistakes {
		fmt.Fprintf(&b, "provider \"serve\" {\n  alias = \"row_%d\"\n  %s = { %s }\n}\n", i, cloud, m.config)
		b.WriteString(strings.Replace(service(fmt.Sprintf("provider = serve.row_%d", i)), "web", fmt.Sprintf("row_%d", i), 1))
	}
	each := strings.Count(b.String(), "\n") / len(mistakes)
	said := make([]int, len(mistakes))
	for _, d := range newTerraform(t, newInfra(ready), b.String()).validate(t) {
		i := (d.Range.Start.Line - header - 1) / each
		m, text := mistakes[i], strings.Join(strings.Fields(d.Summary+": "+d.Detail), " ")
		if said[i]++; d.Severity != "error" || !strings.Contains(text, m.at) || !strings.Contains(text, m.says) {
			t.Errorf("%s gives %q, want one about %s that says %q", m.what, text, m.at, m.says)
		}
	}
	for i, m := range mistakes {
		if said[i] != 1 {
			t.Errorf("%s gives %d errors, want one about %s", m.what, said[i], m.at)
		}
	}
}

// nothingIsSaid plans with what the provider is told of a cloud, where UNKNOWN is a
// text that is made in the same run.
func nothingIsSaid(t *testing.T, cloud string, told map[string]string) {
	t.Helper()
	for what, value := range told {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			tf := newTerraform(t, newInfra(ready), strings.ReplaceAll("provider \"serve\" {\n"+cloud+" = "+value+"\n}\n", "UNKNOWN", "terraform_data.late.output")+service("")+`
resource "terraform_data" "late" { input = timestamp() }
`)
			for _, d := range append(tf.validate(t), tf.plan(t)...) {
				t.Errorf("%s: %s", d.Summary, d.Detail)
			}
		})
	}
}
