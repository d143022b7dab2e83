// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// What the emulation tells services and regions apart by: one endpoint is
// enough for all of them, as each request is signed for its own.
func TestTheSDKSignsForServiceAndRegion(t *testing.T) {
	var scope string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, scope, _ = strings.Cut(r.Header.Get("Authorization"), "Credential=")
		http.Error(w, "", http.StatusBadRequest)
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")

	ctx := t.Context()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion("eu-west-1"))
	if err != nil {
		t.Fatalf("loading the configuration of the SDK: %v", err)
	}
	for service, call := range map[string]func(context.Context, aws.Config) error{
		"ec2": func(ctx context.Context, cfg aws.Config) error {
			_, err := ec2.NewFromConfig(cfg).DescribeRegions(ctx, nil)
			return err
		},
		"ssm": func(ctx context.Context, cfg aws.Config) error {
			_, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("x")})
			return err
		},
		"sts": func(ctx context.Context, cfg aws.Config) error {
			_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
			return err
		},
		"pricing": func(ctx context.Context, cfg aws.Config) error {
			_, err := pricing.NewFromConfig(cfg).DescribeServices(ctx, nil)
			return err
		},
		"servicequotas": func(ctx context.Context, cfg aws.Config) error {
			_, err := servicequotas.NewFromConfig(cfg).ListServices(ctx, nil)
			return err
		},
	} {
		scope = ""
		if err := call(ctx, cfg); err == nil {
			t.Errorf("%s: the SDK took a refusal for an answer", service)
		}
		parts := strings.Split(scope, "/")
		if len(parts) < 4 || parts[0] != "AKIDTEST" || parts[2] != "eu-west-1" || parts[3] != service {
			t.Errorf("%s: the request is signed with credential %q", service, scope)
		}
	}
}
