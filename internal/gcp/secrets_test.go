// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcp"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestSecretsAreToldToTheMachineAlone(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	var key struct {
		Private string `json:"private_key"`
	}
	if err := json.Unmarshal(y.gcp.ClientCredentials(), &key); err != nil {
		t.Fatal(err)
	}
	fleettest.Confides(t, fleettest.Confidant{
		Cloud: func(way func(http.RoundTripper) http.RoundTripper, log *slog.Logger) serve.Cloud {
			return gcp.NewCloud(gcp.CloudOptions{
				Known:  brief(t, gcp.Config{Regions: []string{"us-east1"}}),
				Secret: func() ([]byte, error) { return []byte(fleettest.Secret), nil }, Program: fleettest.Itself(), Shown: credentials(y.gcp),
				Transport: way(y.gcp.Client().Transport), Log: log,
			})
		},
		Resource: small(), Secrets: []string{key.Private[40:80]},
		Readable: func() map[string]string {
			found := map[string]string{}
			for _, i := range y.gcp.Books().Instances {
				found["the labels and the metadata of "+i.Name] = fmt.Sprintf("%+v", i)
				found["the serial console of "+i.Name] = y.gcp.Console(i.Name)
			}
			return found
		},
	})
}
