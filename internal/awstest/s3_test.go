// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// store is a bucket as a test has it.
type store struct {
	*testing.T
	aws  *awstest.AWS
	s3   *s3.Client
	name *string
}

// newStore makes a bucket in us-west-2. Over the network it is asked by its address,
// otherwise by the name that it has at AWS.
func newStore(t *testing.T, network bool) store {
	t.Helper()
	a := awstest.New(t, awstest.Options{})
	cfg := configured("us-west-2", a.Client(), "")
	cfg.BaseEndpoint = nil
	if network {
		cfg.BaseEndpoint, cfg.HTTPClient = aws.String(a.Endpoint()), awshttp.NewBuildableClient()
	}
	s := store{t, a, s3.NewFromConfig(cfg), aws.String("serve-web")}
	_, err := s.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: s.name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "us-west-2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s store) put(key, body string, change func(*s3.PutObjectInput)) (etag string, err error) {
	in := &s3.PutObjectInput{Bucket: s.name, Key: &key, Body: strings.NewReader(body)}
	if change != nil {
		change(in)
	}
	out, err := s.s3.PutObject(s.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.ETag, nil
}

func (s store) get(key string) string {
	s.Helper()
	out, err := s.s3.GetObject(s.Context(), &s3.GetObjectInput{Bucket: s.name, Key: &key})
	if err != nil {
		return code(err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func TestAnObjectIsWrittenOnACondition(t *testing.T) {
	t.Parallel()
	for _, network := range []bool{false, true} {
		t.Run(fmt.Sprintf("network %v", network), func(t *testing.T) {
			t.Parallel()
			s := newStore(t, network)
			var etag string
			for _, row := range []struct {
				name, want string
				change     func(*s3.PutObjectInput)
			}{
				{"over one that is not there", "NoSuchKey", func(in *s3.PutObjectInput) { in.IfMatch = aws.String(`"0"`) }},
				{"where none is", "none", func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }},
				{"where one is", "PreconditionFailed", func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }},
				{"over the one that is there", "none", func(in *s3.PutObjectInput) { in.IfMatch = &etag }},
				{"over the one that was there", "PreconditionFailed", func(in *s3.PutObjectInput) { in.IfMatch = aws.String(`"0"`) }},
				{"over whatever there is", "none", nil},
			} {
				got, err := s.put("a b/c+d.json", row.name, row.change)
				if code(err) != row.want {
					t.Errorf("%s: got %v, want %s", row.name, err, row.want)
				}
				if err == nil {
					etag = got
				}
			}
			if got := s.get("a b/c+d.json"); got != "over whatever there is" {
				t.Errorf("the object is %q", got)
			}
			head, err := s.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: s.name, Key: aws.String("a b/c+d.json")})
			if err != nil || *head.ContentLength != int64(len("over whatever there is")) || *head.ETag != etag {
				t.Errorf("its head is %+v, %v", head, err)
			}
			_, err = s.s3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: s.name, Key: aws.String("none")})
			if code(err) != "NotFound" {
				t.Errorf("the head of nothing: %v", err)
			}
		})
	}
}

func TestWhatIsSentInPiecesArrivesWhole(t *testing.T) {
	t.Parallel()
	s := newStore(t, false)
	whole := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	_, err := s.s3.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: s.name, Key: aws.String("big"), Body: io.MultiReader(bytes.NewReader(whole)), ContentLength: aws.Int64(int64(len(whole))),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, Metadata: map[string]string{"made-by": "a test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: s.name, Key: aws.String("big")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, whole) || out.Metadata["made-by"] != "a test" {
		t.Errorf("%d bytes came back, with %v, %v", len(got), out.Metadata, err)
	}
	s.aws.ExpectRefusals()
	_, err = s.put("bad", "text", func(in *s3.PutObjectInput) { in.ChecksumSHA256 = aws.String("bm90IHRoZSBzdW0=") })
	if code(err) != "InvalidArgument" {
		t.Errorf("with a wrong sum: %v", err)
	}
}

func TestObjectsAreListedInPagesAndGroups(t *testing.T) {
	t.Parallel()
	s := newStore(t, false)
	for _, key := range []string{"logs/2", "state.json", "bundles/b/1", "bundles/a/1", "logs/1", "bundles/a/2", "logs/3"} {
		if _, err := s.put(key, key, nil); err != nil {
			t.Fatal(err)
		}
	}
	list := func(in *s3.ListObjectsV2Input) (keys []string, pages int) {
		in.Bucket = s.name
		for p := s3.NewListObjectsV2Paginator(s.s3, in); p.HasMorePages(); pages++ {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range out.CommonPrefixes {
				keys = append(keys, *g.Prefix)
			}
			for _, o := range out.Contents {
				keys = append(keys, *o.Key)
			}
		}
		return keys, pages
	}
	for _, row := range []struct {
		name  string
		in    *s3.ListObjectsV2Input
		want  []string
		pages int
	}{
		{"those that begin so", &s3.ListObjectsV2Input{Prefix: aws.String("logs/")}, []string{"logs/1", "logs/2", "logs/3"}, 1},
		{"page by page", &s3.ListObjectsV2Input{Prefix: aws.String("logs/"), MaxKeys: aws.Int32(2)}, []string{"logs/1", "logs/2", "logs/3"}, 2},
		{"in groups", &s3.ListObjectsV2Input{Delimiter: aws.String("/")}, []string{"bundles/", "logs/", "state.json"}, 1},
		{"in groups, page by page", &s3.ListObjectsV2Input{Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)}, []string{"bundles/", "logs/", "state.json"}, 3},
		{
			"in groups below", &s3.ListObjectsV2Input{Delimiter: aws.String("/"), Prefix: aws.String("bundles/")},
			[]string{"bundles/a/", "bundles/b/"}, 1,
		},
		{"none", &s3.ListObjectsV2Input{Prefix: aws.String("x")}, nil, 1},
	} {
		if keys, pages := list(row.in); !slices.Equal(keys, row.want) || pages != row.pages {
			t.Errorf("%s: got %q on %d pages, want %q on %d", row.name, keys, pages, row.want, row.pages)
		}
	}
}

func TestABucketIsKeptInOrderAndEmptiedBeforeItGoes(t *testing.T) {
	t.Parallel()
	s := newStore(t, false)
	ctx := t.Context()
	tag := []types.Tag{{Key: aws.String("serve:service"), Value: aws.String("web")}}
	enabled := &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}
	public := &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true)}
	encrypted := &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
	}}}
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"it has no tags", func() error {
			_, err := s.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: s.name})
			return err
		}, "NoSuchTagSet"},
		{"it gets some", func() error {
			_, err := s.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: s.name, Tagging: &types.Tagging{TagSet: tag}})
			return err
		}, "none"},
		{"it has them", func() error {
			out, err := s.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: s.name})
			if err == nil && (len(out.TagSet) != 1 || *out.TagSet[0].Value != "web") {
				err = fmt.Errorf("it has the tags %+v", out.TagSet)
			}
			return err
		}, "none"},
		{"it keeps the public out", func() error {
			_, err := s.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: s.name, PublicAccessBlockConfiguration: public})
			return err
		}, "none"},
		{"it encrypts", func() error {
			_, err := s.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: s.name, ServerSideEncryptionConfiguration: encrypted})
			return err
		}, "none"},
		{"it keeps versions", func() error {
			_, err := s.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: s.name, VersioningConfiguration: enabled})
			return err
		}, "none"},
		{"an object is written", func() error { _, err := s.put("state.json", "1", nil); return err }, "none"},
		{"and again", func() error { _, err := s.put("state.json", "2", nil); return err }, "none"},
		{"and deleted", func() error {
			_, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.name, Key: aws.String("state.json")})
			return err
		}, "none"},
		{"the bucket is there", func() error { _, err := s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: s.name}); return err }, "none"},
		{"it is not empty", func() error { _, err := s.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: s.name}); return err }, "BucketNotEmpty"},
	} {
		if err := step.do(); code(err) != step.want {
			t.Errorf("%s: got %v, want %s", step.name, err, step.want)
		}
	}
	if b := s.aws.Books().Buckets; len(b) != 1 || len(b[0].Objects) != 0 || b[0].Versions != 3 || b[0].Tags["serve:service"] != "web" || s.get("state.json") != "NoSuchKey" {
		t.Errorf("the books have %+v", b)
	}
	all, err := s.s3.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: s.name})
	if err != nil || len(all.Versions) != 2 || len(all.DeleteMarkers) != 1 {
		t.Fatalf("the versions are %+v, %v", all, err)
	}
	var ids []types.ObjectIdentifier
	for _, v := range all.Versions {
		ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, m := range all.DeleteMarkers {
		ids = append(ids, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
	}
	_, err = s.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: s.name, Delete: &types.Delete{Objects: ids}})
	if err == nil {
		_, err = s.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: s.name})
	}
	if err != nil || len(s.aws.Books().Buckets) != 0 {
		t.Errorf("emptying it: %v", err)
	}
	var none *types.NotFound
	if _, err := s.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: s.name}); !errors.As(err, &none) {
		t.Errorf("looking for the bucket: %v", err)
	}
}

func TestBucketsAreListed(t *testing.T) {
	t.Parallel()
	s := newStore(t, false)
	east := s3.NewFromConfig(configured("us-east-1", s.aws.Client(), "http://aws.test"))
	for _, name := range []string{"serve-b", "serve-a", "other"} {
		if _, err := east.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name string
		in   *s3.ListBucketsInput
		want []string
	}{
		{"all", &s3.ListBucketsInput{}, []string{"other", "serve-a", "serve-b", "serve-web"}},
		{"those that begin so", &s3.ListBucketsInput{Prefix: aws.String("serve-")}, []string{"serve-a", "serve-b", "serve-web"}},
		{"those of a region", &s3.ListBucketsInput{BucketRegion: aws.String("us-east-1")}, []string{"other", "serve-a", "serve-b"}},
		{"one by one", &s3.ListBucketsInput{MaxBuckets: aws.Int32(1), Prefix: aws.String("serve-")}, []string{"serve-a", "serve-b", "serve-web"}},
	} {
		var got []string
		for p := s3.NewListBucketsPaginator(east, row.in); p.HasMorePages(); {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range out.Buckets {
				got = append(got, *b.Name)
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestTheCommandLineOfAWSKeepsThings(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t, awstest.Options{})
	path := t.TempDir() + "/text"
	if err := os.WriteFile(path, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run("s3 mb s3://serve-web")
	c.run("s3 cp " + path + " s3://serve-web/logs/text")
	if got := c.run("s3 ls s3://serve-web"); got != "PRE logs/" {
		t.Errorf("the bucket has %q", got)
	}
	if got := c.run("s3 cp s3://serve-web/logs/text -"); got != "hello" {
		t.Errorf("the object is %q", got)
	}
	c.run("s3 rb --force s3://serve-web")
	if b := c.aws.Books().Buckets; len(b) > 0 {
		t.Errorf("left behind: %+v", b)
	}
}
