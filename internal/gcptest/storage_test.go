// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	compute "cloud.google.com/go/compute/apiv1"
	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"
	"google.golang.org/api/storage/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
)

const bucketName = "serve-web-0af50af50af5"

// depot is a cloud with a bucket.
type depot struct {
	*rig
	storage *storage.Service
}

func newDepot(t *testing.T) *depot {
	t.Helper()
	r := newRig(t, gcptest.Options{})
	d := &depot{r, made(t, storage.NewService, r.options)}
	b := &storage.Bucket{Name: bucketName, Location: "us-east1"}
	if _, err := d.storage.Buckets.Insert(gcptest.Project, b).Do(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *depot) put(name, text string, options ...googleapi.CallOption) error {
	_, err := d.storage.Objects.Insert(bucketName, &storage.Object{Name: name}).Media(strings.NewReader(text)).Do(options...)
	return err
}

func (d *depot) get(name string) (string, string, error) {
	answer, err := d.storage.Objects.Get(bucketName, name).Download()
	if err != nil {
		return "", "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), answer.Header.Get("X-Goog-Generation"), err
}

func TestAnObjectIsWrittenOnACondition(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	insert := func(text string, generation int64) (int64, string) {
		o, err := d.storage.Objects.Insert(bucketName, &storage.Object{Name: "a/b c"}).Media(strings.NewReader(text)).IfGenerationMatch(generation).Do()
		if err != nil {
			return 0, reason(err)
		}
		return o.Generation, "none"
	}
	first, why := insert("one", 0)
	if why != "none" {
		t.Fatal(why)
	}
	if _, why := insert("two", 0); why != "conditionNotMet" {
		t.Errorf("there is one: %s", why)
	}
	second, why := insert("two", first)
	if why != "none" || second <= first {
		t.Errorf("the generation %d comes after %d: %s", second, first, why)
	}
	if _, why := insert("three", first); why != "conditionNotMet" {
		t.Errorf("it is another one: %s", why)
	}
	if text, generation, err := d.get("a/b c"); err != nil || text != "two" || generation != strconv.FormatInt(second, 10) {
		t.Errorf("it is %q of generation %s, %v", text, generation, err)
	}
	if err := d.storage.Objects.Delete(bucketName, "a/b c").Do(); err != nil {
		t.Error(err)
	}
	if _, why := insert("four", second); why != "conditionNotMet" {
		t.Errorf("there is none any more: %s", why)
	}
	var e *googleapi.Error
	if _, _, err := d.get("a/b c"); !errors.As(err, &e) || e.Code != http.StatusNotFound {
		t.Errorf("reading what is not there: %v", err)
	}
}

func TestAnObjectComesInPieces(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	text := strings.Repeat("0123456789abcdef", 1<<15)
	in := d.storage.Objects.Insert(bucketName, &storage.Object{Name: "large", Crc32c: "AAAAAA=="})
	if _, err := in.Media(strings.NewReader(text), googleapi.ChunkSize(256<<10)).Do(); reason(err) != "invalid" {
		t.Errorf("it has another checksum: %v", err)
	}
	in = d.storage.Objects.Insert(bucketName, &storage.Object{Name: "large"})
	if _, err := in.Media(bytes.NewReader([]byte(text)), googleapi.ChunkSize(256<<10)).Do(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := d.get("large"); err != nil || got != text {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(text), err)
	}
	if n := d.gcp.Books().Calls["storage.objects.insert (a piece)"]; n < 4 {
		t.Errorf("it came in %d pieces", n)
	}
}

func TestABucketIsListedAndDeleted(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	for _, name := range []string{"a/1", "a/2", "a/3", "b"} {
		if err := d.put(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	err := d.storage.Objects.List(bucketName).Prefix("a/").MaxResults(2).Pages(t.Context(), func(o *storage.Objects) error {
		for _, i := range o.Items {
			names = append(names, i.Name)
		}
		return nil
	})
	if err != nil || !slices.Equal(names, []string{"a/1", "a/2", "a/3"}) {
		t.Errorf("there are %q, %v", names, err)
	}
	if err := d.storage.Buckets.Delete(bucketName).Do(); reason(err) != "conflict" {
		t.Errorf("deleting what is not empty: %v", err)
	}
	for _, name := range append(names, "b") {
		if err := d.storage.Objects.Delete(bucketName, name).Do(); err != nil {
			t.Error(err)
		}
	}
	if err := d.storage.Buckets.Delete(bucketName).Do(); err != nil {
		t.Error(err)
	}
	if left := d.gcp.Books().Left(); len(left) > 0 {
		t.Errorf("left is %q", left)
	}
	d.gcp.Take("somebody-elses")
	if _, err := d.storage.Buckets.Insert(gcptest.Project, &storage.Bucket{Name: "somebody-elses"}).Do(); reason(err) != "conflict" {
		t.Errorf("making a bucket of a name that is taken: %v", err)
	}
}

// A service account may do what the policies say, and nothing else.
func TestWhatAServiceAccountMayDo(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	identities, resources := made(t, iam.NewService, d.options), made(t, cloudresourcemanager.NewService, d.options)
	a, err := identities.Projects.ServiceAccounts.Create("projects/"+gcptest.Project, &iam.CreateServiceAccountRequest{AccountId: "serve-web"}).Do()
	if err != nil {
		t.Fatal(err)
	}
	member := "serviceAccount:" + a.Email
	theirs := []option.ClientOption{option.WithHTTPClient(as(d.gcp, a.Email))}
	reads, machines := made(t, storage.NewService, theirs), &rig{T: t, gcp: d.gcp}
	machines.instances, machines.operations = made(t, compute.NewInstancesRESTClient, theirs), made(t, compute.NewZoneOperationsRESTClient, theirs)
	if err := d.put("one", "hello"); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		_, err := reads.Objects.Get(bucketName, "one").Do()
		return reason(err)
	}
	if why := read(); why != "forbidden" {
		t.Errorf("reading without a right: %s", why)
	}
	policy, err := d.storage.Buckets.GetIamPolicy(bucketName).Do()
	if err != nil {
		t.Fatal(err)
	}
	policy.Bindings = append(policy.Bindings, &storage.PolicyBindings{Role: "roles/storage.objectUser", Members: []string{member}})
	if _, err := d.storage.Buckets.SetIamPolicy(bucketName, policy).Do(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.storage.Buckets.SetIamPolicy(bucketName, policy).Do(); reason(err) != "aborted" {
		t.Errorf("changing a policy that has changed: %v", err)
	}
	if why := read(); why != "none" {
		t.Errorf("reading with a right: %s", why)
	}

	// A role on a condition is for what the condition names.
	role := &iam.CreateRoleRequest{RoleId: "serve_web", Role: &iam.Role{Title: "web", IncludedPermissions: []string{"compute.instances.delete", "compute.zoneOperations.get"}}}
	if _, err := identities.Projects.Roles.Create("projects/"+gcptest.Project, role).Do(); err != nil {
		t.Fatal(err)
	}
	all, err := resources.Projects.GetIamPolicy(gcptest.Project, &cloudresourcemanager.GetIamPolicyRequest{
		Options: &cloudresourcemanager.GetPolicyOptions{RequestedPolicyVersion: 3},
	}).Do()
	if err != nil {
		t.Fatal(err)
	}
	all.Version = 3
	all.Bindings = append(all.Bindings, &cloudresourcemanager.Binding{
		Role: "projects/" + gcptest.Project + "/roles/serve_web", Members: []string{member},
		Condition: &cloudresourcemanager.Expr{Title: "its own", Expression: `resource.name.endsWith("-web-1")`},
	})
	if _, err := resources.Projects.SetIamPolicy(gcptest.Project, &cloudresourcemanager.SetIamPolicyRequest{Policy: all}).Do(); err != nil {
		t.Fatal(err)
	}
	d.run("serve-web-1")
	d.run("serve-other-1")
	if err := machines.remove("serve-other-1"); reason(err) != "forbidden" {
		t.Errorf("ending a machine of somebody else: %v", err)
	}
	if _, err := identities.Projects.Roles.Delete("projects/" + gcptest.Project + "/roles/serve_web").Do(); err != nil {
		t.Fatal(err)
	}
	if err := machines.remove("serve-web-1"); reason(err) != "forbidden" {
		t.Errorf("with a role that was deleted: %v", err)
	}
	if _, err := identities.Projects.Roles.Create("projects/"+gcptest.Project, role).Do(); reason(err) != "failedPrecondition" {
		t.Errorf("making a role of the name of one that was deleted: %v", err)
	}

	// Of one that is gone nobody of the same name is the heir.
	if _, err := identities.Projects.ServiceAccounts.Delete(a.Name).Do(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(d.gcp.Books().Granted, func(s string) bool { return strings.HasPrefix(s, "deleted:"+member+"?uid=") }) {
		t.Errorf("granted is %q", d.gcp.Books().Granted)
	}
	var e *googleapi.Error
	if _, err := reads.Objects.Get(bucketName, "one").Do(); !errors.As(err, &e) || e.Code != http.StatusUnauthorized {
		t.Errorf("reading as somebody who is gone: %v", err)
	}
}
