// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// tampering changes a request after it was signed.
type tampering struct {
	http.RoundTripper
	change func(*http.Request)
}

func (w tampering) RoundTrip(r *http.Request) (*http.Response, error) {
	w.change(r)
	return w.RoundTripper.RoundTrip(r)
}

func TestOnlyWhatWasSignedIsDone(t *testing.T) {
	t.Parallel()
	a := awstest.New(t, awstest.Options{})
	for _, row := range []struct {
		name   string
		change func(*http.Request)
		secret string
		want   string
	}{
		{name: "as it was signed", change: func(*http.Request) {}, want: "none"},
		{name: "with a secret that is another", change: func(*http.Request) {}, secret: "another", want: "SignatureDoesNotMatch"},
		{name: "with another time", change: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260101T000000Z") }, want: "SignatureDoesNotMatch"},
		{name: "with another body", change: func(r *http.Request) {
			text, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			text = bytes.Replace(text, []byte("al2023"), []byte("AL2023"), 1)
			r.Body = io.NopCloser(bytes.NewReader(text))
		}, want: "SignatureDoesNotMatch"},
		{name: "for another host", change: func(r *http.Request) { r.Host = "elsewhere.test" }, want: "SignatureDoesNotMatch"},
	} {
		cfg := configured("us-east-1", &http.Client{Transport: tampering{a.Client().Transport, row.change}}, "http://aws.test")
		if row.secret != "" {
			cfg.Credentials = credentials.NewStaticCredentialsProvider(awstest.AccessKey, row.secret, "")
		}
		_, err := ssm.NewFromConfig(cfg).GetParameter(t.Context(), &ssm.GetParameterInput{
			Name: aws.String("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"),
		})
		if code(err) != row.want {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
	// An address with much in it, and a query.
	cfg := configured("us-east-1", a.Client(), "http://aws.test")
	for name, do := range map[string]func() error{
		"S3": func() error {
			_, err := s3.NewFromConfig(cfg).HeadObject(t.Context(), &s3.HeadObjectInput{
				Bucket: aws.String("serve-web"), Key: aws.String("a b/c+d*~(e)/ü=&?.json"), VersionId: aws.String("x y"),
			})
			if strings.Contains(code(err), "NotFound") {
				return nil
			}
			return err
		},
		"EC2": func() error {
			_, err := ec2.NewFromConfig(cfg).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
