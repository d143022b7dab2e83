// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

// depot is a Google Cloud with one bucket.
type depot struct {
	*testing.T
	gcp *gcptest.GCP
}

func newDepot(t *testing.T) depot {
	t.Helper()
	d := depot{t, gcptest.New(t, gcptest.Options{})}
	d.gcp.MakeBucket("serve-web")
	return d
}

// bucket gives the bucket, by a way to it that is not the straight one if there is
// another.
func (d depot) bucket(way http.RoundTripper) *Bucket {
	d.Helper()
	if way == nil {
		way = d.gcp.Client().Transport
	}
	c := Config{Project: gcptest.Project, Credentials: string(d.gcp.ClientCredentials())}
	b, err := OpenBucket(d.Context(), BucketOptions{Config: c, Name: "serve-web", Transport: way})
	if err != nil {
		d.Fatal(err)
	}
	return b
}

func (d depot) store() serve.Store { return bucket.NewStore(d.bucket(nil)) }

func TestABucketOfCloudStorageKeepsWhatABucketPromises(t *testing.T) {
	t.Parallel()
	buckettest.TestBucket(t, func(t *testing.T) bucket.Bucket {
		t.Helper()
		return newDepot(t).bucket(nil)
	})
}

func TestConformanceOfTheStore(t *testing.T) {
	t.Parallel()
	servetest.TestStore(t, func(t *testing.T) func() serve.Store {
		t.Helper()
		return newDepot(t).store
	})
}

func TestTroubleOnTheWayIsNoConflict(t *testing.T) {
	t.Parallel()
	const insert = "storage.objects.insert"
	for name, trouble := range map[string]func(*gcptest.GCP){
		"done, and the answer lost":                 func(g *gcptest.GCP) { g.LoseNext(insert) },
		"done, and the answer lost again and again": func(g *gcptest.GCP) { g.FailNext(insert, nil, nil, nil) },
		"too much is asked of Cloud Storage": func(g *gcptest.GCP) {
			slow := &gcptest.Error{Code: http.StatusTooManyRequests, Reason: "rateLimitExceeded", Message: "The object exceeded the rate limit."}
			g.FailNext(insert, slow, slow, slow)
		},
		"Cloud Storage is in trouble": func(g *gcptest.GCP) { g.FailNext(insert, gcptest.InternalError(), gcptest.Unavailable()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDepot(t)
				servetest.TestSavesInTrouble(t, d.store(), func() { trouble(d.gcp) })
			})
		})
	}
}

func TestASaveOfUnknownOutcomeIsSavedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDepot(t)
		way := &buckettest.Cut{RoundTripper: d.gcp.Client().Transport}
		servetest.TestLostSaves(t, bucket.NewStore(d.bucket(way)), func(off bool) { way.Off = off }, d.store)
	})
}

func TestWhatHasChangedOnTheWayIsRefused(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	sum := sha256.Sum256([]byte("hello"))
	if err := d.bucket(nil).PutFile(t.Context(), "bundles/one", strings.NewReader("goodbye"), sum[:]); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("a file of another digest: %v, want ErrInvalid", err)
	}
	broken := d.bucket(breaking{d.gcp.Client().Transport})
	if err := broken.PutFile(t.Context(), "bundles/one", strings.NewReader("hello"), sum[:]); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("a file that has changed: %v, want ErrInvalid", err)
	}
	if held, err := d.bucket(nil).List(t.Context(), ""); len(held) > 0 || err != nil {
		t.Errorf("the bucket holds %s, %v", held, err)
	}
}

// breaking is a way to Google on which what is said changes.
type breaking struct{ http.RoundTripper }

func (b breaking) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return b.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), "\r\nhello\r\n", "\r\nhullo\r\n")))
	return b.RoundTripper.RoundTrip(r)
}

func TestWhatIsNotThereIsToldOnlyToThoseWhoMayList(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	d.gcp.Forbid("storage.objects.list")
	if _, err := bucket.NewStore(d.bucket(nil)).Load(t.Context()); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("Load: %v, want ErrUnauthorized: a state that may not be seen is not one that is not there", err)
	}
	sum := sha256.Sum256([]byte("hello"))
	if there, err := bucket.NewBundles(d.bucket(nil), "").Has("sha256:" + hex.EncodeToString(sum[:])); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("Has = %v, %v, want ErrUnauthorized", there, err)
	}
}
