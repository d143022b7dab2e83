// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package command

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// amazonian is a Terraform workspace with the example about AWS.
type amazonian struct {
	*workspace
	ground ground
}

// onTheExample makes a workspace with an example, in a place of its own.
func onTheExample(t *testing.T, example string, g ground) *amazonian {
	t.Helper()
	w := newWorkspace(t)
	examples := t.TempDir()
	for _, dir := range []string{example, "http_server"} {
		mustDo(t, func() error {
			return os.CopyFS(filepath.Join(examples, dir), os.DirFS(filepath.Join("../../examples", dir)))
		})
	}
	w.dir = filepath.Join(examples, example)
	return &amazonian{w, g}
}

// emulatedExample makes one on an AWS of ours, and out of sight of any other.
func emulatedExample(t *testing.T, example string, o awstest.Options) (*amazonian, *awstest.AWS) {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("runs Terraform against real processes; TF_ACC=1 or make test does so")
	}
	cloud := awstest.New(t, o)
	a := onTheExample(t, example, emulated{cloud})
	a.env = slices.DeleteFunc(a.env, func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	a.env = append(a.env, cloud.Environ()...)
	return a, cloud
}

// confine has everything done in a role that may do what the policies of examples
// say, and nothing else.
func (a *amazonian) confine(cloud *awstest.AWS, examples ...string) {
	a.t.Helper()
	const role = "serve"
	client := iam.New(iam.Options{
		Region: "us-east-1", HTTPClient: cloud.Client(), Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, awstest.SecretKey, ""),
	})
	made, err := client.CreateRole(a.t.Context(), &iam.CreateRoleInput{RoleName: aws.String(role), AssumeRolePolicyDocument: aws.String(
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "` + awstest.Account + `"}, "Action": "sts:AssumeRole"}]}`)})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, example := range examples {
		text, err := os.ReadFile(filepath.Join("../../examples", example, "policy.json"))
		if err != nil {
			a.t.Fatal(err)
		}
		if _, err := client.PutRolePolicy(a.t.Context(), &iam.PutRolePolicyInput{
			RoleName: aws.String(role), PolicyName: aws.String(example), PolicyDocument: aws.String(string(text)),
		}); err != nil {
			a.t.Fatal(err)
		}
	}
	a.configure(fmt.Sprintf("region = \"us-east-1\"\n assume_role = { role_arn = %q }", aws.ToString(made.Role.Arn)))
}

// configure has AWS be reached in another way than the example does.
func (a *amazonian) configure(attributes string) {
	a.t.Helper()
	override := fmt.Appendf(nil, "provider \"serve\" {\n  aws = {\n %s\n }\n}\n", attributes)
	if err := os.WriteFile(filepath.Join(a.dir, "test_override.tf"), override, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// await waits until something is so, and gives how long that took.
func (a *amazonian) await(what string, so func() bool) time.Duration {
	a.t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > a.ground.patience() {
			a.t.Fatalf("after %v it is not so that %s: %+v", time.Since(began), what, a.ground.live())
		}
		<-time.After(50 * time.Millisecond)
	}
	return time.Since(began)
}

// settled waits until there is just one ready replica of each market, and gives
// their instances.
func (a *amazonian) settled(what string) (spot, onDemand string, after time.Duration) {
	a.t.Helper()
	client, err := a.deployer.Find(a.t.Context(), "http-server-aws")
	if err != nil {
		a.t.Fatal(err)
	}
	after = a.await(what, func() bool {
		s, err := client.Service(a.t.Context())
		if err != nil || s.Counts.Ready != 2 || s.Counts.Spot != 1 || s.Counts.Total != 2 {
			return false
		}
		live := a.ground.live()
		for _, i := range live {
			if i.Market == awstest.Spot {
				spot = i.ID
			} else {
				onDemand = i.ID
			}
		}
		return len(live) == 2
	})
	return spot, onDemand, after
}

// begin applies the example, and has somebody ask it from then on.
func (a *amazonian) begin() (spot, onDemand string, enough func()) {
	a.t.Helper()
	if plan := a.must(0, "plan"); !strings.Contains(plan, "hourly_cost") || strings.Contains(plan, "may be missing") {
		a.t.Errorf("the plan does not say what it costs, or warns:\n%s", plan)
	}
	a.must(0, "apply", "-auto-approve")
	endpoint := strings.TrimSpace(a.must(0, "output", "-raw", "endpoint"))
	a.must(0, "plan", "-detailed-exitcode")
	spot, onDemand, after := a.settled("there is one replica of each market")
	a.t.Logf("a spot and an on-demand replica serve, %v after the apply", after)
	asking := asking(endpoint)
	return spot, onDemand, func() {
		asked, bad := asking()
		a.t.Logf("%d requests meanwhile", asked)
		if asked == 0 || len(bad) > 0 {
			a.t.Errorf("of %d requests %d failed: %v", asked, len(bad), bad)
		}
	}
}

// finish destroys it, and looks for what is left.
func (a *amazonian) finish() {
	a.t.Helper()
	a.must(0, "destroy", "-auto-approve")
	if live, left := a.ground.live(), a.ground.left(); len(live)+len(left) > 0 {
		a.t.Errorf("there are left: %+v, %v", live, left)
	}
	a.nothingLeft()
}

// replaced has an instance end, and waits until all is as before.
func (a *amazonian) replaced(id, what string) (spot, onDemand string) {
	a.t.Helper()
	a.ground.end(id)
	a.await("the instance is gone", func() bool {
		return !slices.ContainsFunc(a.ground.live(), func(i awstest.Instance) bool { return i.ID == id })
	})
	spot, onDemand, after := a.settled(what)
	a.t.Logf("%s, %v after the instance is gone", what, after)
	return spot, onDemand
}

// promise is how long after a notice on-demand is asked for at the latest.
const promise = 2 * time.Second

// The example as it stands, from the first apply to the last instance.
func TestAccTheExampleOnAWS(t *testing.T) {
	a, cloud := emulatedExample(t, "aws", awstest.Options{Machines: true})
	a.confine(cloud, "aws")
	launches := make(chan time.Time, 1000) // of on-demand instances
	cloud.Fault(func(c awstest.Call) awstest.Verdict {
		if _, spot := c.In["InstanceMarketOptions"]; c.Action == "RunInstances" && !spot {
			launches <- c.Time
		}
		return awstest.Verdict{}
	})
	spot, _, enough := a.begin()
	for len(launches) > 0 {
		<-launches
	}
	at := time.Now()
	cloud.Interrupt(spot, 10*time.Second)
	after := (<-launches).Sub(at)
	t.Logf("on-demand is asked for %v after the notice", after)
	if after > 2*promise { // other tests may keep the machine busy
		t.Errorf("on-demand is asked for %v after the notice", after)
	}
	_, onDemand := a.replaced(spot, "a spot replica serves again, and nobody stands in for it")
	a.replaced(onDemand, "a replica whose instance has lost power is replaced")
	enough()
	a.finish()
	if s := cloud.Books().Sessions; len(s) == 0 {
		t.Error("nothing was done in the role")
	}
}

// The same on AWS itself, which gives no notice when it is asked to end an instance.
func TestAccTheExampleOnAWSItself(t *testing.T) {
	g, region := newItself(t)
	a := onTheExample(t, "aws", g)
	a.configure(fmt.Sprintf("region = %q\n default_tags = { %q = %q }", region, markKey, markValue))
	a.env = append(a.env, "TF_VAR_region="+region)
	spot, _, enough := a.begin()
	_, onDemand := a.replaced(spot, "a spot replica serves again, and nobody stands in for it")
	a.replaced(onDemand, "the on-demand base is there again")
	enough()
	a.finish()
}

// asking asks a service again and again until its result is wanted.
func asking(endpoint string) func() (asked int, bad []error) {
	stop, over := make(chan struct{}), make(chan struct{})
	var asked int
	var bad []error
	go func() {
		defer close(over)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			asked++
			if err := hello(endpoint); err != nil {
				bad = append(bad, err)
			}
		}
	}()
	return func() (int, []error) {
		close(stop)
		<-over
		return asked, bad
	}
}

// hello asks the example once.
func hello(endpoint string) error {
	resp, err := http.Get(endpoint)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "Hello!")) {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

// What would be in the way is said by the plan, which makes nothing anywhere.
func TestAccThePlanOnAWS(t *testing.T) {
	for _, row := range []struct {
		name string
		with func(*amazonian, *awstest.AWS)
		code int
		says string
	}{
		{"no permission to launch", func(_ *amazonian, c *awstest.AWS) { c.Forbid("ec2:RunInstances") }, 1, "do not allow ec2:RunInstances in us-east-1"},
		{"no credentials", func(a *amazonian, _ *awstest.AWS) {
			a.env = append(a.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
		}, 1, "no AWS credentials are to be had"},
		{"credentials of nobody", func(a *amazonian, _ *awstest.AWS) { a.env = append(a.env, "AWS_ACCESS_KEY_ID=AKIANOBODY") }, 1, "InvalidClientTokenId"},
		{"a small quota", func(_ *amazonian, c *awstest.AWS) {
			c.SetQuota("us-east-1", awstest.ClassStandard, awstest.OnDemand, 2)
		}, 0, "There may be 3 on-demand machines at a time, and the quotas of the account leave room for 1 of them"},
		{"no prices", func(_ *amazonian, c *awstest.AWS) { c.Forbid("pricing:GetProducts") }, 1, "asking for the price of"},
		{"no way to AWS", func(a *amazonian, _ *awstest.AWS) { a.env = append(a.env, "AWS_ENDPOINT_URL=http://127.0.0.1:9") }, 0, "could not be found out"},
		{"nothing is in the way", func(*amazonian, *awstest.AWS) {}, 0, "hourly_cost"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, cloud := emulatedExample(t, "aws", awstest.Options{})
			row.with(a, cloud)
			if out := strings.Join(strings.Fields(strings.ReplaceAll(a.must(row.code, "plan"), "│", " ")), " "); !strings.Contains(out, row.says) {
				t.Errorf("the plan does not say %q:\n%s", row.says, out)
			}
			if b := cloud.Books(); len(b.Instances)+len(b.Groups) > 0 {
				t.Errorf("the plan has made %+v", b)
			}
			if left, err := os.ReadDir(a.home); err != nil || len(left) > 0 {
				t.Errorf("the plan has left %v in the home, %v", left, err)
			}
		})
	}
}
