// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestSecretsAreToldToTheMachineAlone(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	fleettest.Confides(t, fleettest.Confidant{
		Cloud: func(way func(http.RoundTripper) http.RoundTripper, log *slog.Logger) serve.Cloud {
			return aws.NewCloud(aws.CloudOptions{
				Known:  brief(t, aws.Config{Regions: []string{"us-east-1"}}),
				Secret: func() ([]byte, error) { return []byte(fleettest.Secret), nil }, Program: fleettest.Itself(),
				Transport: way(y.aws.Client().Transport), Log: log,
			})
		},
		Resource: small(), Secrets: []string{awstest.SecretKey},
		Readable: func() map[string]string {
			found := map[string]string{}
			for _, i := range y.aws.Books().Instances {
				found["the books of AWS on "+i.ID] = fmt.Sprintf("%+v", i)
				found["the console of "+i.ID] = y.aws.Console(i.ID)
			}
			return found
		},
	})
}
