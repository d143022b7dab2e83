// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcp

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/serve-infra/terraform-provider-serve/internal/fleettest"
)

// forControllers are the files about what is made for a controller on Google Cloud,
// and onTheHost those that such a controller is there by; all others are for replicas.
func forControllers() []string {
	return []string{"address.go", "deploy.go", "deployer.go", "destroy.go", "headquarters.go", "policy.go", "role.go", "scale.go"}
}

func onTheHost() []string { return []string{"bucket.go", "bulk.go", "host.go"} }

// The role allows what this package asks of Google Cloud, and nothing else.
func TestTheRoleOfTheExampleIsTheLeast(t *testing.T) {
	t.Parallel()
	asked := called(t, func(file string) bool {
		return !slices.Contains(forControllers(), file) && !slices.Contains(onTheHost(), file)
	})
	// What an instance is made of takes permissions of its own, and so does a rule that
	// a network is to have. Where machines are is asked as of any operation.
	for _, also := range []string{
		"compute.disks.create", "compute.disks.setLabels", "compute.images.useReadOnly", "compute.instances.setLabels", "compute.instances.setTags",
		"compute.networks.updatePolicy", "compute.subnetworks.use", "compute.subnetworks.useExternalIp",
	} {
		asked[also] = true
	}
	// An operation of a region is waited for only by what is for controllers, and to act
	// as an account is a right on that account.
	delete(asked, "compute.regionOperations.get")
	delete(asked, "iam.serviceAccounts.generateAccessToken")
	least(t, "gcp", asked)
}

// That of the example with a controller on Google Cloud comes on top of the other.
func TestTheRoleOfTheDeployerIsTheLeast(t *testing.T) {
	t.Parallel()
	asked := called(t, func(file string) bool {
		return slices.Contains(forControllers(), file) || file == "bucket.go" || file == "bulk.go"
	})
	for _, also := range []string{
		"compute.addresses.setLabels", "compute.addresses.use", "compute.disks.create", "compute.disks.setLabels", "compute.instances.setLabels",
		"compute.instances.setMetadata", "compute.instances.setServiceAccount", "compute.instances.setTags", "compute.networks.updatePolicy",
		"compute.regionOperations.get", "compute.subnetworks.use", "compute.subnetworks.useExternalIp", "iam.serviceAccounts.actAs",
		"storage.buckets.get",
	} {
		asked[also] = true
	}
	least(t, "gcp_controller", asked)
}

// least compares the role of an example with what is asked for.
func least(t *testing.T, example string, asked map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples", example, "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, item := range regexp.MustCompile(`(?m)^  - (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		allowed[item[1]] = true
	}
	fleettest.Least(t, allowed, asked)
}

// called gives the permissions that some files of this package need for what they ask:
// each call of Compute Engine takes a request, by whose type it is found.
func called(t *testing.T, in func(file string) bool) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, text := range fleettest.Sources(t, in) {
		for _, m := range regexp.MustCompile(`computepb\.([A-Z][A-Za-z]+)Request\b`).FindAllStringSubmatch(text, -1) {
			found[ofCompute(t, m[1])] = true
		}
		for _, m := range regexp.MustCompile(`\b(Objects|Buckets|Roles|all|ServiceAccounts|Projects)\.([A-Z][A-Za-z]+)\([^)]`).FindAllStringSubmatch(text, -1) {
			found[elsewhere(m[1], m[2])] = true
		}
	}
	delete(found, "") // what needs none
	return found
}

// ofCompute gives the permission that a request of Compute Engine takes, by its name,
// such as "InsertInstance".
func ofCompute(t *testing.T, request string) string {
	t.Helper()
	verbs := map[string]string{
		"AggregatedList": "list", "List": "list", "Get": "get", "GetFromFamily": "getFromFamily", "GetSerialPortOutput": "getSerialPortOutput",
		"Insert": "create", "Delete": "delete", "Patch": "update", "SetMetadata": "setMetadata", "Wait": "get",
	}
	for _, verb := range slices.Backward(slices.SortedFunc(maps.Keys(verbs), func(a, b string) int { return len(a) - len(b) })) {
		of, ok := strings.CutPrefix(request, verb)
		if !ok {
			continue
		}
		switch {
		case verbs[verb] == "list":
		case strings.HasSuffix(of, "s"):
			of += "es"
		default:
			of += "s"
		}
		return "compute." + strings.ToLower(of[:1]) + of[1:] + "." + verbs[verb]
	}
	t.Errorf("it is not known what %s takes", request)
	return ""
}

// elsewhere gives the permission that a method of another API takes. Whether a caller
// may do something is told to everybody.
func elsewhere(of, method string) string {
	verb := strings.ToLower(method[:1]) + method[1:]
	switch of {
	case "Objects", "Buckets":
		verb = map[string]string{"insert": "create", "patch": "update"}[verb] + strings.TrimSuffix(strings.TrimSuffix(verb, "insert"), "patch")
		return "storage." + strings.ToLower(of) + "." + verb
	case "Roles", "all":
		return "iam.roles." + strings.Replace(verb, "patch", "update", 1)
	case "ServiceAccounts":
		return "iam.serviceAccounts." + verb
	}
	if verb == "testIamPermissions" {
		return ""
	}
	return "resourcemanager.projects." + verb
}
