// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// depot is an AWS with one bucket.
type depot struct {
	*testing.T
	aws *awstest.AWS
}

func newDepot(t *testing.T) depot {
	t.Helper()
	d := depot{t, awstest.New(t, awstest.Options{})}
	b := d.bucket(nil)
	if _, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.name}); err != nil {
		t.Fatal(err)
	}
	return d
}

// bucket gives the bucket, by a way to it that is not the straight one if there is
// another.
func (d depot) bucket(way http.RoundTripper) *Bucket {
	d.Helper()
	if way == nil {
		way = d.aws.Client().Transport
	}
	b, err := OpenBucket(d.Context(), BucketOptions{Config: Config{Region: "us-east-1"}, Name: "serve-web", Transport: way})
	if err != nil {
		d.Fatal(err)
	}
	return b
}

func (d depot) store() serve.Store { return bucket.NewStore(d.bucket(nil)) }

func TestStore(t *testing.T) {
	servetest.TestStore(t, func(t *testing.T) func() serve.Store {
		d := newDepot(t)
		return d.store
	})
}

func TestTroubleOnTheWayIsNoConflict(t *testing.T) {
	for name, trouble := range map[string]func(*awstest.AWS){
		"done, and the answer lost": func(a *awstest.AWS) { a.LoseNext("PutObject") },
		"done, and the answer lost again and again": func(a *awstest.AWS) {
			a.FailNext("PutObject", nil, nil, nil)
		},
		"too much is asked of S3": func(a *awstest.AWS) {
			a.FailNext("PutObject", slowDown(), slowDown(), slowDown())
		},
		"S3 is in trouble of which it has no word": func(a *awstest.AWS) {
			oops := &awstest.Error{Status: http.StatusInternalServerError, Code: "Oops", Message: "said so"}
			a.FailNext("PutObject", slices.Repeat([]*awstest.Error{oops}, attempts)...)
		},
		"S3 is in trouble": func(a *awstest.AWS) { a.FailNext("PutObject", awstest.InternalError()) },
		"S3 was about to carry out another save": func(a *awstest.AWS) {
			a.FailNext("PutObject", &awstest.Error{Status: http.StatusConflict, Code: "ConditionalRequestConflict", Message: "said so"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDepot(t)
				servetest.TestSavesInTrouble(t, d.store(), func() { trouble(d.aws) })
			})
		})
	}
}

func slowDown() *awstest.Error {
	return &awstest.Error{Status: http.StatusServiceUnavailable, Code: "SlowDown", Message: "Please reduce your request rate."}
}

func TestASaveOfUnknownOutcomeIsSavedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(t)
		way := &buckettest.Cut{RoundTripper: d.aws.Client().Transport}
		var began time.Time
		servetest.TestLostSaves(t, bucket.NewStore(d.bucket(way)), func(off bool) {
			if took := time.Since(began); !off && took > bucket.Patience+20*time.Second {
				t.Errorf("the save has failed after %v", took)
			}
			way.Off, began = off, time.Now()
		}, d.store)
	})
}

// late is a way to AWS on which a write is held up until the next one comes by, so
// that it is carried out when its sender has long given it up.
type late struct {
	http.RoundTripper
	hold bool
	held *http.Request
	body []byte
}

func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut {
		return l.RoundTripper.RoundTrip(r)
	}
	if l.hold {
		body, err := io.ReadAll(r.Body)
		l.held, l.body = r, body
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	if held := l.held; held != nil {
		l.held = nil
		again := held.Clone(context.WithoutCancel(held.Context()))
		again.Body = io.NopCloser(bytes.NewReader(l.body))
		if answer, err := l.RoundTripper.RoundTrip(again); err != nil || answer.Body.Close() != nil {
			return nil, err
		}
	}
	return l.RoundTripper.RoundTrip(r)
}

func TestASaveThatComesLateIsOverwrittenByTheOneThatTookItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(t)
		way := &late{RoundTripper: d.aws.Client().Transport}
		s := bucket.NewStore(d.bucket(way))
		state := servetest.Save(d, s, serve.State{Name: "first"}, 1)
		way.hold = true
		state.Name = "late"
		if _, _, err := s.Save(t.Context(), state, make([]serve.Event, 2)); !errors.Is(err, serve.ErrUnreachable) {
			t.Fatalf("Save: %v, want ErrUnreachable", err)
		}
		way.hold = false
		servetest.Stored(d, d.store(), 1, "first", 1)
		state.Name = "anew"
		servetest.Save(d, s, state, 3)
		if way.held != nil {
			t.Error("the late save never came")
		}
		servetest.Stored(d, d.store(), 2, "anew", 4)
	})
}
