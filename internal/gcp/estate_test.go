// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/api/iam/v1"

	"github.com/serve-infra/terraform-provider-serve/internal/bucket"
	"github.com/serve-infra/terraform-provider-serve/internal/gcptest"
	"github.com/serve-infra/terraform-provider-serve/internal/headquarters"
	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// manor is what there is of controllers in a project whose instances are records.
type manor struct {
	*testing.T
	gcp *gcptest.GCP
}

func newManor(t *testing.T) manor {
	t.Helper()
	return manor{t, gcptest.New(t, gcptest.Options{Pending: 8 * time.Second, Stopping: 20 * time.Second})}
}

// estate gives that of a service, to somebody who has not seen it before.
func (m manor) estate(service string, change ...func(*Config)) *estate {
	m.Helper()
	c := Config{Project: gcptest.Project, Region: "us-east1", Credentials: string(m.gcp.ClientCredentials())}
	for _, do := range change {
		do(&c)
	}
	e, err := NewDeployer(DeployerOptions{Config: c, Transport: m.gcp.Client().Transport}).estate(m.Context(), service)
	if err != nil {
		m.Fatal(err)
	}
	return e
}

// make makes everything, in the order in which a deployer does.
func (e *estate) make(t *testing.T) error {
	_, err := e.MakeBucket(t.Context())
	if err == nil {
		_, err = e.MakeAddress(t.Context(), headquarters.Address{})
	}
	if err == nil {
		err = e.Build(t.Context(), "amd64")
	}
	return err
}

// made makes everything for certain.
func (m manor) made(service string, change ...func(*Config)) *estate {
	m.Helper()
	e := m.estate(service, change...)
	if err := e.make(m.T); err != nil {
		m.Fatal(err)
	}
	return e
}

// removed removes everything for certain.
func (m manor) removed(e *estate) {
	m.Helper()
	if err := errors.Join(e.End(m.Context()), e.Remove(m.Context())); err != nil {
		m.Fatal(err)
	}
}

// host gives the one machine of a controller.
func (m manor) host() gcptest.Instance {
	m.Helper()
	live := m.gcp.Books().Live()
	if len(live) != 1 {
		m.Fatalf("there are %d machines: %+v", len(live), live)
	}
	return live[0]
}

func TestAnEstateIsMadeOnceAndRemovedWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		e := m.made("web")
		first, left := m.host(), m.gcp.Books().Left()
		if len(left) != 11 {
			t.Errorf("there are %d things: %q", len(left), left)
		}
		m.made("web")
		if again := m.host(); again.ID != first.ID {
			t.Errorf("the machine %d was replaced by %d", first.ID, again.ID)
		}
		if again := m.gcp.Books().Left(); !slices.Equal(again, left) {
			t.Errorf("made twice there is %q, and once %q", again, left)
		}
		a := m.gcp.Books().Addresses[0]
		if first.PublicIP != a.IP || first.Account != e.accountEmail() || first.Labels[labelController] != "web" {
			t.Errorf("the machine is %+v, and its address %+v", first, a)
		}
		m.removed(e)
		m.removed(m.estate("web")) // of which there is nothing
		if left := m.gcp.Books().Left(); len(left) > 0 {
			t.Errorf("left is %q", left)
		}
		// The roles that were deleted stand in nobody's way: they are had back, or others
		// made while their names are not free.
		m.removed(m.made("web"))
		m.gcp.PurgeRoles()
		m.removed(m.made("web"))
		if left := m.gcp.Books().Left(); len(left) > 0 {
			t.Errorf("left is %q", left)
		}
	})
}

func TestAMachineIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		happens func(m manor, e *estate) error
		anew    bool
	}{
		"after nothing has happened": {func(manor, *estate) error { return nil }, false},
		"when it was deleted":        {func(m manor, e *estate) error { return e.End(m.Context()) }, true},
		"when it has stopped": {func(m manor, _ *estate) error {
			m.gcp.Shutdown(m.host().Name)
			time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
			return nil
		}, true},
		"when its zone has none any more": {func(m manor, e *estate) error {
			m.gcp.Exhaust(gcptest.Pool{Zone: m.host().Zone})
			return e.End(m.Context())
		}, true},
		"but not when Compute Engine has": {func(m manor, _ *estate) error {
			m.gcp.Fail(m.host().Name)
			time.Sleep(5 * time.Minute) //nolint:forbidigo // in a bubble
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newManor(t)
				e := m.made("web")
				was := m.host()
				if err := row.happens(m, e); err != nil {
					t.Fatal(err)
				}
				m.made("web")
				if now := m.host(); (now.ID != was.ID) != row.anew || now.PublicIP != was.PublicIP || now.State != "RUNNING" {
					t.Errorf("the machine was %+v, and is %+v", was, now)
				}
			})
		})
	}
}

func TestAMachineThatIsNotAsItShouldBeIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		m.made("web")
		was := m.host()
		m.made("web", func(c *Config) { c.DefaultLabels = map[string]string{"team": "Search"} })
		if now := m.host(); now.ID == was.ID || !strings.HasPrefix(now.Labels["team"], "search-") {
			t.Errorf("the machine was %+v, and is %+v", was, now)
		}
	})
}

// Whatever answer is lost, what was made is found again.
func TestNoAnswerThatIsLostMakesAnythingTwice(t *testing.T) {
	t.Parallel()
	for _, method := range []string{
		"storage.buckets.insert", "storage.buckets.setIamPolicy", "compute.addresses.insert", "compute.firewalls.insert", "compute.instances.insert",
		"compute.zoneOperations.wait", "iam.projects.serviceAccounts.create", "iam.projects.roles.create", "cloudresourcemanager.projects.setIamPolicy",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newManor(t)
				m.made("web")
				want := m.gcp.Books().Left()
				m.removed(m.estate("web"))
				m.gcp.PurgeRoles()
				m.gcp.LoseNext(method)
				e := m.made("web")
				if got := m.gcp.Books().Left(); len(got) != len(want) {
					t.Errorf("there is %q, and not %q", got, want)
				}
				m.gcp.LoseNext(strings.NewReplacer("insert", "delete", "create", "delete").Replace(method))
				m.removed(e)
				if left := m.gcp.Books().Left(); len(left) > 0 {
					t.Errorf("left is %q", left)
				}
			})
		})
	}
}

// What was made just now is not known everywhere at once.
func TestAServiceAccountBecomesKnownInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		e := m.estate("web")
		unknown := &gcptest.Error{Code: 400, Reason: "badRequest", Message: fmt.Sprintf("Service account %s does not exist.", e.accountEmail())}
		m.gcp.FailNext("cloudresourcemanager.projects.setIamPolicy", unknown, unknown)
		m.gcp.FailNext("storage.buckets.setIamPolicy", unknown)
		m.gcp.FailNext("compute.instances.insert", &gcptest.Error{Code: 400, Reason: "invalid", Message: "Invalid value: '" + e.accountEmail() + "'. It was not found."})
		if err := e.make(t); err != nil {
			t.Fatal(err)
		}
		m.host()
	})
}

func TestWhatOthersMayDoStaysAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		one := m.made("one")
		m.made("two")
		before := m.gcp.Books().Granted
		m.removed(one)
		after := m.gcp.Books().Granted
		two := m.estate("two")
		if len(before) != 6 || len(after) != 3 || !slices.ContainsFunc(after, func(s string) bool { return strings.HasPrefix(s, two.member()) }) {
			t.Errorf("granted was %q, and is %q", before, after)
		}
	})
}

func TestWhereControllersCanNotBe(t *testing.T) {
	t.Parallel()
	m := newManor(t)
	for name, conf := range map[string]Config{
		"a region that there is not": {Project: gcptest.Project, Region: "mars-east1"},
		"no region":                  {Project: gcptest.Project},
	} {
		conf.Credentials = string(m.gcp.ClientCredentials())
		d := NewDeployer(DeployerOptions{Config: conf, Transport: m.gcp.Client().Transport})
		if _, err := d.estate(t.Context(), "web"); !errors.Is(err, serve.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	for _, name := range []string{"", "Web", "-web", "web-", strings.Repeat("w", 41)} {
		if err := NewDeployer(DeployerOptions{}).CheckName(name); !errors.Is(err, serve.ErrInvalid) {
			t.Errorf("the name %q: %v, want ErrInvalid", name, err)
		}
	}
	m.gcp.Take(m.estate("web").name())
	if _, err := m.estate("web").MakeBucket(t.Context()); !errors.Is(err, serve.ErrUnauthorized) {
		t.Errorf("a bucket that is somebody else's: %v, want ErrUnauthorized", err)
	}
}

// Whatever a deployer asks of Google Cloud, the roles of the examples allow.
func TestADeployerMayDoWhatItDoes(t *testing.T) {
	t.Parallel()
	allowed := map[string]bool{}
	for _, example := range []string{"gcp", "gcp_controller"} {
		text, err := os.ReadFile("../../examples/" + example + "/role.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range regexp.MustCompile(`(?m)^ *- (\S+)$`).FindAllStringSubmatch(string(text), -1) {
			allowed[item[1]] = true
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		e := m.made("web")
		e.LastWords(t.Context())
		b, err := e.MakeBucket(t.Context()) // of which there is one
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // which writes over what is there
			if _, err := b.Put(t.Context(), "state.json", nil, bucket.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := b.Get(t.Context(), "state.json"); err != nil {
			t.Fatal(err)
		}
		m.made("web", func(c *Config) { c.DefaultLabels = map[string]string{"team": "search"} })
		_, listErr := e.Deployer.List(t.Context())
		_, leftErr := e.Left(t.Context())
		if err := errors.Join(listErr, leftErr); err != nil {
			t.Fatal(err)
		}
		// Others who know the roles by another list of permissions change them.
		if _, err := e.services.iam.Projects.Roles.Patch(e.roleNames(right{end: "looks"})[0], &iam.Role{Title: "old"}).Do(); err != nil {
			t.Fatal(err)
		}
		m.made("web")
		m.removed(e)
		m.removed(m.made("web")) // by the roles that were deleted
		for _, p := range m.gcp.Books().Asked[gcptest.Account] {
			if !allowed[p] {
				t.Errorf("no role allows %s", p)
			}
		}
	})
}

// A controller may end what is called as its replicas are, so all of them have to be, and
// no others, whatever their services are called.
func TestReplicasAreCalledAsTheirControllerMayEndThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManor(t)
		services := []string{"w", "web", "a", "a-1", "a-b", "a-b-c", strings.Repeat("long-name", 4), strings.Repeat("w", 40), strings.Repeat("w", 31) + "-" + strings.Repeat("w", 8)}
		for _, service := range services {
			e := m.estate(service)
			may, err := e.ours()
			if err != nil {
				t.Fatal(err)
			}
			j := &joined{scope: "at-us-east1"}
			for _, other := range services {
				for replica := int64(1); replica < 1e12; replica *= 11 {
					name := j.instanceName(serve.Ref{Service: other, UID: "5f3c", Replica: replica})
					ends := may == fmt.Sprintf("resource.name.endsWith(%q)", name[max(0, len(name)-hashed-1):])
					if ends != (other == service) || len(name) > longest {
						t.Errorf("replica %d of %s is called %s, and the controller of %s may end what %s", replica, other, name, service, may)
					}
				}
			}
		}
	})
}
