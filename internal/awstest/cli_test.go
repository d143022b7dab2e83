// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package awstest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/serve-infra/terraform-provider-serve/internal/awstest"
)

// commandLine is AWS' own command line, which is another client than the SDK that
// everything else here is tried with: it is written in another language, and from
// another copy of the model.
type commandLine struct {
	*testing.T
	aws  *awstest.AWS
	path string
}

func newCommandLine(t *testing.T, options awstest.Options) commandLine {
	t.Helper()
	path, err := exec.LookPath("aws")
	switch {
	case err == nil && !testing.Short():
	case err != nil && os.Getenv("CI") != "":
		t.Fatal("the command line of AWS is missing")
	default:
		t.Skip("needs the command line of AWS (Debian: apt-get install awscli), and some seconds")
	}
	return commandLine{t, awstest.New(t, options), path}
}

// run runs a command, which succeeds, and gives what it prints in words.
func (c commandLine) run(command string, more ...string) string {
	c.Helper()
	environ := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	cmd := exec.CommandContext(c.Context(), c.path, append(append([]string{"--endpoint-url", c.aws.Endpoint()}, strings.Fields(command)...), more...)...)
	cmd.Env = append(append(environ, c.aws.Environ()...), "AWS_DEFAULT_OUTPUT=text", "AWS_PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.Fatalf("aws %s: %v\n%s", command, err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func TestTheCommandLineOfAWSReadsWhatThereIs(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t, awstest.Options{})
	id := run(t, direct(c.aws, "us-east-1"), func(in *ec2.RunInstancesInput) {
		inSpot(in)
		inZone("us-east-1c")(in)
	})
	i, _ := c.aws.Books().Instance(id)
	for _, row := range []struct{ command, want string }{
		{"sts get-caller-identity --query Arn", "arn:aws:iam::" + awstest.Account + ":user/serve"},
		{
			"ec2 describe-instances --filters Name=tag:serve:service,Values=web --query " +
				"Reservations[].Instances[].[InstanceId,State.Name,InstanceLifecycle,Placement.AvailabilityZone,PublicIpAddress,Tags[0].Value]",
			id + " running spot us-east-1c " + i.PublicIP + " web",
		},
		{"ec2 describe-volumes --query Volumes[].[Size,State,Attachments[0].InstanceId]", "8 in-use " + id},
		{"ec2 describe-spot-instance-requests --query SpotInstanceRequests[].[InstanceId,State]", id + " active"},
		{"ec2 describe-instance-types --instance-types m7i.large --query InstanceTypes[].[VCpuInfo.DefaultVCpus,MemoryInfo.SizeInMiB]", "2 8192"},
		{"ec2 describe-availability-zones --region eu-west-1 --query AvailabilityZones[].ZoneName", "eu-west-1a eu-west-1b eu-west-1c"},
		{"ec2 describe-security-groups --query SecurityGroups[].GroupName", "default"},
		{"service-quotas get-service-quota --service-code ec2 --quota-code L-34B43A08 --query Quota.Value", "10000"},
		{
			"pricing get-products --service-code AmazonEC2 --max-results 1 --no-paginate --query FormatVersion " +
				"--filters Type=TERM_MATCH,Field=instanceType,Value=m7i.large",
			"aws_v1",
		},
	} {
		t.Run(row.command, func(t *testing.T) {
			t.Parallel()
			c := c
			c.T = t
			if got := c.run(row.command); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestTheCommandLineOfAWSMakesAndEndsAnInstance(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t, awstest.Options{})
	image := c.run("ssm get-parameter --query Parameter.Value --name /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")
	group := c.run("ec2 create-security-group --group-name web --query GroupId --description", "A group of the test")
	c.run("ec2 authorize-security-group-ingress --protocol tcp --port 9738 --cidr 0.0.0.0/0 --group-id " + group)
	id := c.run("ec2 run-instances --instance-type t3.medium --client-token once --query Instances[].InstanceId" +
		" --image-id " + image + " --security-group-ids " + group)
	if again := c.run("ec2 run-instances --instance-type t3.medium --client-token once --query Instances[].InstanceId" +
		" --image-id " + image + " --security-group-ids " + group); again != id {
		t.Errorf("the same token gives %s, and then %s", id, again)
	}
	if got := c.run("ec2 terminate-instances --query TerminatingInstances[].CurrentState.Name --instance-ids " + id); got != "shutting-down" {
		t.Errorf("ending it gives %q", got)
	}
	c.run("ec2 delete-security-group --group-id " + group)
	if books := c.aws.Books(); len(books.Live()) > 0 || len(books.Groups) > 0 || len(books.Instances) != 1 {
		t.Errorf("left behind: %+v", books)
	}
}

// On a machine it finds by itself who it is, and what it may do.
func TestTheCommandLineOfAWSOnAMachineHasItsRole(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t, awstest.Options{Machines: true})
	giveRole(t, iamOf(c.aws), "reader", reader)
	b := &booted{T: t, aws: c.aws, ec2: direct(c.aws, "us-west-2")}
	b.id = run(t, b.ec2, func(in *ec2.RunInstancesInput) {
		in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: aws.String("reader")}
		in.UserData = script("export AWS_DEFAULT_REGION=us-west-2 AWS_DEFAULT_OUTPUT=text AWS_PAGER= PATH=" + filepath.Dir(c.path) + ":$PATH" + `
			# Versions before 2.13 take the one as it is, and know nothing of the other.
			export AWS_EC2_METADATA_SERVICE_ENDPOINT=$AWS_EC2_METADATA_SERVICE_ENDPOINT/
			aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
			aws sts get-caller-identity --query Arn
			aws ec2 describe-instances --query Reservations[].Instances[].State.Name
			aws ec2 terminate-instances --instance-ids i-0123456789abcdef0 2>&1 | grep -o 'InvalidInstanceID.NotFound'
			aws s3api head-bucket --bucket serve-web 2>&1 | grep -o 403
			aws ec2 create-security-group --group-name web --description web 2>&1 | grep -o UnauthorizedOperation
			exec sleep 3600`)
	})
	for _, line := range []string{
		"arn:aws:sts::" + awstest.Account + ":assumed-role/reader/" + b.id, "running", "InvalidInstanceID.NotFound", "403", "UnauthorizedOperation",
	} {
		b.printed(line)
	}
}
