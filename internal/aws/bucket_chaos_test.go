// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	keys "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/aws"
	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// Like half of any other day, but that the state is in S3, with which things go wrong too,
// and that machines of controllers are given up for dead that are not: then there
// are two controllers for a while, each of which takes the service for its own.
func TestADayOfChaosWithTheStateInS3LeavesNothingBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDay(t, seed(t))
		d.moveIn()
		d.begin()
		d.apply()
		for i := range faults / 2 {
			d.goWrong(i)
			d.pass(24 * time.Hour / faults)
			d.restart()
		}
		d.calm()
		d.end()
		if d.done[yielded]+d.done[begun] == 0 {
			t.Error("no controller has ever heard of another")
		}
	})
}

// What is counted of controllers that find that another one has saved.
const (
	yielded = "a controller gave way to its successor"
	begun   = "a controller was ended by the one before, and began anew"
)

// moveIn has the state of the service be in a bucket.
func (d *day) moveIn() {
	name := "serve-web"
	client := s3.New(s3.Options{
		Region: "us-east-1", HTTPClient: d.aws.Client(),
		Credentials: keys.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, ""),
	})
	if _, err := client.CreateBucket(d.t.Context(), &s3.CreateBucketInput{Bucket: sdk.String(name)}); err != nil {
		d.t.Fatal(err)
	}
	d.given = d.aws.Books().Left()
	d.store = func(way http.RoundTripper) serve.Store {
		b, err := aws.OpenBucket(d.t.Context(), aws.BucketOptions{Config: aws.Config{Region: "us-east-1"}, Name: name, Transport: way})
		if err != nil {
			d.t.Fatal(err)
		}
		return bucket.NewStore(b)
	}
	slow := &awstest.Error{Status: http.StatusServiceUnavailable, Code: "SlowDown", Message: "Please reduce your request rate."}
	d.more = []trouble{
		{"S3 asks to be asked less", func() { d.aws.FailNext("PutObject", slow, slow, slow, slow, slow) }},
		{"lost answers to a save", func() { d.aws.FailNext("PutObject", nil, nil) }},
		{"S3 away for a while", func() {
			d.aws.Fault(func(c awstest.Call) (v awstest.Verdict) {
				if c.Service == "s3" {
					v.Err = slow
				}
				return v
			})
			d.pass(time.Duration(1+d.random.IntN(300)) * time.Second)
			d.aws.Fault(nil)
		}},
		{"a controller given up while it lives", d.twins},
		{"a controller given up in the middle of a launch", func() {
			if live := d.aws.Books().Live(); len(live) > 0 {
				d.aws.Kill(live[0].ID)
			}
			d.pass(time.Duration(5+d.random.IntN(20)) * time.Second)
			d.twins()
		}},
	}
}

// twins starts a second controller beside the one there is, which is cut off after
// some minutes.
func (d *day) twins() {
	old := d.current
	d.begin()
	for range 1 + d.random.IntN(6) {
		d.pass(20 * time.Second)
		d.restart()
	}
	select {
	case <-old.over:
		d.done[yielded]++
	default:
	}
	old.dead.Store(true)
	old.stop()
}

// restart starts a controller again that has ended by itself, as its machine does.
func (d *day) restart() {
	select {
	case <-d.current.over:
		d.done[begun]++
		d.begin()
	default:
	}
}
