// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"fmt"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A controller that has a region has it from the provider. An import names it in its
// id, and the service stays there without being one of another place.
func TestAServiceIsImportedFromItsRegion(t *testing.T) {
	t.Parallel()
	for _, cloud := range []string{awsInfra, gcpInfra} {
		t.Run(cloud, func(t *testing.T) {
			t.Parallel()
			places := map[string]*infra{"there": newInfra(ready), "elsewhere": newInfra(ready)}
			for region, f := range places {
				f.namespace = region
			}
			o := options(nil)
			o.Deployers = func(s Settings) (map[string]serve.Deployer, error) {
				return map[string]serve.Deployer{cloud: places[cmp.Or(s.Namespace, "elsewhere")]}, nil
			}
			client, err := places["there"].Deploy(t.Context(), "web", serve.DeployOptions{})
			if err != nil {
				t.Fatal(err)
			}
			spec := serve.NewSpec("web")
			spec.Run, spec.Resources.Ports = "python3 server.py", "8081"
			if _, err := client.Apply(t.Context(), spec, serve.ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			on := fmt.Sprintf("controller = { infra = %q }\n", cloud)
			tf := newTerraformWith(t, o, "")
			tf.becomes(t, "update", fmt.Sprintf("import {\n to = serve_service.web\n id = \"%s/there/web\"\n}\n", cloud)+service(on))
			tf.becomes(t, "update", service(on+"replicas = 2"))
			tf.becomes(t, "delete", "")
			for region, f := range places {
				if left, err := f.List(t.Context()); err != nil || len(left) > 0 {
					t.Errorf("there are left %v %s, %v", left, region, err)
				}
			}
		})
	}
}
