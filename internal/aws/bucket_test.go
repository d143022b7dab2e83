// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package aws

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/buckettest"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
	"github.com/serve-infra/terraform-provider-serve/internal/servetest"
)

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// wire answers what S3 is asked, and keeps what it was.
type wire struct {
	status int
	code   string // of the error
	body   string
	asked  *http.Request
	sent   []byte
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked = r
	if r.Body != nil {
		var err error
		if w.sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	body := w.body
	if w.code != "" && r.Method != http.MethodHead {
		body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + w.code + `</Code><Message>said so</Message></Error>`
	}
	return &http.Response{
		StatusCode: w.status, Header: http.Header{"Etag": {`"e1"`}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (w *wire) bucket(t *testing.T, endpoint string) *Bucket {
	t.Helper()
	c := Config{Region: "eu-west-1"}
	if endpoint != "" {
		c.Endpoints = map[string]string{"s3": endpoint}
	}
	b, err := OpenBucket(t.Context(), BucketOptions{Config: c, Name: "serve-web", Transport: w})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhereABucketIsAsked(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                      "https://serve-web.s3.eu-west-1.amazonaws.com/state.json?x-id=GetObject",
		"http://127.0.0.1:9000": "http://127.0.0.1:9000/serve-web/state.json?x-id=GetObject",
	} {
		w := &wire{status: http.StatusOK, body: "hello"}
		body, etag, err := w.bucket(t, endpoint).Get(t.Context(), "state.json")
		if err != nil || string(body) != "hello" || etag != `"e1"` {
			t.Errorf("get = %q, %s, %v", body, etag, err)
		}
		if got := w.asked.URL.String(); got != want {
			t.Errorf("with the endpoint %q it is asked at %s, want %s", endpoint, got, want)
		}
	}
}

func TestWhatABucketSays(t *testing.T) {
	put := func(c bucket.Condition) func(*Bucket) error {
		return func(b *Bucket) error {
			_, err := b.Put(t.Context(), "state.json", []byte("hello"), c)
			return err
		}
	}
	get := func(b *Bucket) error {
		_, _, err := b.Get(t.Context(), "state.json")
		return err
	}
	for _, row := range []struct {
		name   string
		do     func(*Bucket) error
		status int
		code   string
		asked  string // method, If-Match and If-None-Match
		means  error
	}{
		{"an object is written over whatever is there", put(bucket.Condition{}), 200, "", "PUT  ", nil},
		{"an object is written where there is none", put(bucket.Condition{Absent: true}), 200, "", "PUT  *", nil},
		{"there is one", put(bucket.Condition{Absent: true}), 412, "PreconditionFailed", "PUT  *", serve.ErrConflict},
		{"an object is written over a certain one", put(bucket.Condition{Still: `"e0"`}), 200, "", `PUT "e0" `, nil},
		{"there is another", put(bucket.Condition{Still: `"e7"`}), 412, "PreconditionFailed", `PUT "e7" `, serve.ErrConflict},
		{"somebody else is writing", put(bucket.Condition{Still: `"e0"`}), 409, "ConditionalRequestConflict", `PUT "e0" `, serve.ErrConflict},
		{"there is none any more", put(bucket.Condition{Still: `"e0"`}), 404, "NoSuchKey", `PUT "e0" `, serve.ErrNotFound},
		{"there is nothing to read", get, 404, "NoSuchKey", "GET  ", serve.ErrNotFound},
		{"there is no such bucket", get, 404, "NoSuchBucket", "GET  ", serve.ErrNotFound},
		{"nobody may read", get, 403, "AccessDenied", "GET  ", serve.ErrUnauthorized},
		{"nobody may even look", func(b *Bucket) error {
			_, err := b.Has(t.Context(), "state.json")
			return err
		}, 403, "AccessDenied", "HEAD  ", serve.ErrUnauthorized},
	} {
		w := &wire{status: row.status, code: row.code}
		err := row.do(w.bucket(t, "http://127.0.0.1:9"))
		if !errors.Is(err, row.means) || row.means == nil && err != nil {
			t.Errorf("%s: got %v, want %v", row.name, err, row.means)
		}
		if got := strings.Join([]string{w.asked.Method, w.asked.Header.Get("If-Match"), w.asked.Header.Get("If-None-Match")}, " "); got != row.asked {
			t.Errorf("%s: asked was %q, want %q", row.name, got, row.asked)
		}
		if w.asked.Method == http.MethodPut && string(w.sent) != "hello" {
			t.Errorf("%s: sent was %q", row.name, w.sent)
		}
	}
}

func TestABundleIsCheckedByS3(t *testing.T) {
	w := &wire{status: http.StatusOK, body: "a bundle"}
	b := w.bucket(t, "")
	sum := sha256.Sum256([]byte("a bundle"))
	if err := b.PutFile(t.Context(), "bundles/one", strings.NewReader("a bundle"), sum[:]); err != nil {
		t.Fatal(err)
	}
	if got, want := w.asked.Header.Get("x-amz-checksum-sha256"), base64.StdEncoding.EncodeToString(sum[:]); got != want || string(w.sent) != "a bundle" {
		t.Errorf("sent was %q with the sum %q, want %q", w.sent, got, want)
	}
	s, err := b.Open(t.Context(), "bundles/one")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(s); err != nil || string(text) != "a bundle" {
		t.Errorf("read is %q, %v", text, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestABucketIsListedToItsEnd(t *testing.T) {
	w := &wire{status: http.StatusOK, body: "<ListBucketResult><Contents><Key>logs/1</Key></Contents><Contents><Key>logs/2</Key></Contents></ListBucketResult>"}
	b := w.bucket(t, "")
	if keys, err := b.List(t.Context(), "logs/"); err != nil || !slices.Equal(keys, []string{"logs/1", "logs/2"}) {
		t.Errorf("list = %q, %v", keys, err)
	}
	if err := b.Remove(t.Context(), "logs/1"); err != nil || w.asked.Method != http.MethodDelete {
		t.Errorf("removing asks %s, and gives %v", w.asked.Method, err)
	}
}

func TestABucketOfS3KeepsWhatABucketPromises(t *testing.T) {
	buckettest.TestBucket(t, func(t *testing.T) bucket.Bucket {
		t.Helper()
		return newDepot(t).bucket(nil)
	})
}

func TestS3RefusesWhatHasChangedOnTheWay(t *testing.T) {
	d := newDepot(t)
	d.aws.ExpectRefusals()
	sum := sha256.Sum256([]byte("hello"))
	if err := d.bucket(nil).PutFile(t.Context(), "bundles/one", strings.NewReader("goodbye"), sum[:]); !errors.Is(err, serve.ErrInvalid) {
		t.Errorf("S3 says %v, want ErrInvalid", err)
	}
	if held, err := d.bucket(nil).List(t.Context(), ""); len(held) > 0 || err != nil {
		t.Errorf("the bucket holds %s, %v", held, err)
	}
}

// These go over a real connection to whatever the environment and the configuration
// name.
func TestABucketIsReachedAsTheCommandLineOfAWSReachesIt(t *testing.T) {
	const nowhere = "http://127.0.0.1:9"
	a := awstest.New(t, awstest.Options{})
	for name, row := range map[string]struct {
		environment map[string]string
		config      Config
	}{
		"by one endpoint for all services": {map[string]string{"AWS_ENDPOINT_URL": a.Endpoint()}, Config{}},
		"by an endpoint for S3":            {map[string]string{"AWS_ENDPOINT_URL": nowhere, "AWS_ENDPOINT_URL_S3": a.Endpoint()}, Config{}},
		"by one of the configuration": {
			map[string]string{"AWS_ENDPOINT_URL": nowhere, "AWS_ENDPOINT_URL_S3": nowhere}, Config{Endpoints: map[string]string{"s3": a.Endpoint()}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range row.environment {
				t.Setenv(name, value)
			}
			row.config.Region = "us-east-1"
			b, err := OpenBucket(t.Context(), BucketOptions{Config: row.config, Name: "serve-web"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b.name}); err != nil {
				t.Fatal(err)
			}
			content := strings.Repeat("0123456789abcdef", 1<<16)
			bundles := bucket.NewBundles(b, t.TempDir())
			if err := bundles.Put(digestOf(content), strings.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			r, err := bundles.Open(digestOf(content))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || string(got) != content {
				t.Errorf("%d bytes came back of %d: %v", len(got), len(content), err)
			}
			if etag, err := b.Put(t.Context(), "one", []byte("hello"), bucket.Condition{Absent: true}); err != nil {
				t.Error(err)
			} else if _, err := b.Put(t.Context(), "one", []byte("goodbye"), bucket.Condition{Still: etag}); err != nil {
				t.Error(err)
			}
			if err := bundles.Keep(); err != nil {
				t.Error(err)
			}
			if keys, err := b.List(t.Context(), ""); err != nil || !slices.Equal(keys, []string{"one"}) {
				t.Errorf("the bucket holds %q, %v", keys, err)
			}
			if err := b.Remove(t.Context(), "one"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWhatIsNotThereIsToldOnlyToThoseWhoMayList(t *testing.T) {
	d := newDepot(t)
	d.aws.Forbid("s3:ListBucket")
	if _, err := d.store().Load(t.Context()); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("Load: %v, want ErrUnauthorized: a state that may not be seen is not one that is not there", err)
	}
	if there, err := bucket.NewBundles(d.bucket(nil), "").Has(digestOf("hello")); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("Has = %v, %v, want ErrUnauthorized", there, err)
	}
}

func TestABucketOfAnotherRegionIsAFaultOfTheConfiguration(t *testing.T) {
	d := newDepot(t)
	b, err := OpenBucket(t.Context(), BucketOptions{Config: Config{Region: "us-west-2"}, Name: "serve-web", Transport: d.aws.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	_, getErr := bucket.NewStore(b).Load(t.Context())
	_, headErr := bucket.NewBundles(b, "").Has(digestOf("hello"))
	for _, err := range []error{getErr, headErr} {
		if !errors.Is(err, serve.ErrInvalid) {
			t.Errorf("got %v, want ErrInvalid", err)
		}
	}
}

// What a controller's role must allow, and no more.
func TestWhatMayBeDoneWithABucket(t *testing.T) {
	d := newDepot(t)
	s := d.store()
	state := servetest.Save(d, s, serve.State{}, 300)
	servetest.Save(d, s, state, 1)
	servetest.Stored(d, d.store(), 2, "", 301)
	if err := bucket.NewBundles(d.bucket(nil), t.TempDir()).Put(digestOf("hello"), strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	b := bucket.NewBundles(d.bucket(nil), "")
	if _, err := b.Has(digestOf("hello")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Keep(), bucket.NewArchive(d.bucket(nil)).Keep(t.Context(), 1, strings.NewReader("hello"))); err != nil {
		t.Fatal(err)
	}
	allowed := []string{"s3:CreateBucket", "s3:DeleteObject", "s3:GetObject", "s3:HeadObject", "s3:ListObjectsV2", "s3:PutObject"}
	for call := range d.aws.Books().Calls {
		if strings.HasPrefix(call, "s3:") && !slices.Contains(allowed, call) {
			t.Errorf("asked was %s, for which the role of a controller has no permission", call)
		}
	}
}
