// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package house_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.." // of the repository, from here
	module = "github.com/serve-infra/terraform-provider-serve"
	inside = module + "/internal/"
)

// mayImport gives, for every package of ours, which others of ours it may
// import outside of its tests. The domain stands at the bottom, what decides
// and what does next to it, each technology alone, and one package knows all.
func mayImport() map[string][]string {
	return map[string][]string{
		"serve":       {},
		"balancer":    {},
		"policy":      {"serve"},
		"ledger":      {"serve"},
		"page":        {"serve"},
		"metrics":     {"serve", "balancer"},
		"bundle":      {"serve"},
		"api":         {"serve"},
		"bolt":        {"serve"},
		"acme":        {"serve"},
		"skyserve":    {"serve"},
		"image":       {},
		"servetest":   {"serve"},
		"awstest":     {"machinetest", "cloudtest"},
		"gcptest":     {"machinetest", "cloudtest"},
		"cloudtest":   {},
		"sim":         {"serve", "policy", "skyserve"},
		"turns":       {},
		"fleettest":   {"serve", "turns", "agent", "balancer", "controller", "fleet", "servetest"},
		"fleet":       {"serve", "turns", "agent", "bootstrap"},
		"record":      {"serve", "turns"},
		"bucket":      {"serve", "record"},
		"buckettest":  {"serve", "bucket"},
		"aws":         {"serve", "turns", "agent", "bootstrap", "bucket", "fleet", "headquarters", "keyring"},
		"gcp":         {"serve", "turns", "agent", "bootstrap", "bucket", "fleet", "headquarters", "keyring"},
		"changes":     {},
		"logfile":     {"serve", "changes"},
		"task":        {"serve", "bundle"},
		"bootstrap":   {"serve"},
		"agent":       {"serve", "bundle", "jsonfile", "logfile", "task"},
		"jsonfile":    {},
		"machinetest": {},
		"local":       {"serve", "turns", "changes", "jsonfile", "logfile", "task"},
		"keyring":     {"serve", "turns"},
		"kube":        {"serve", "turns", "record", "keyring"},
		"controller":  {"serve", "bundle", "policy", "ledger", "balancer"},
		"manager":     {"serve", "controller", "balancer"},
		"provider":    {"serve", "bundle", "skyserve", "api"},
		"headquarters": {
			"serve", "turns", "agent", "bootstrap", "bucket", "fleet", "jsonfile", "logfile",
		},
		"command": {
			"serve", "bundle", "skyserve", "api", "policy", "balancer", "controller", "provider", "bolt", "local", "sim",
			"image", "page", "manager", "acme", "kube", "metrics", "aws", "gcp", "fleet", "bucket", "headquarters", "agent", "bootstrap",
		},
		"house": {},
		"main":  {"command"},
	}
}

// owners gives, for every library, the packages that may import it outside of
// their tests. None means that it is for tests only.
func owners() map[string][]string {
	return map[string][]string{
		"github.com/coder/websocket":                               {},
		"github.com/fsnotify/fsnotify":                             {"changes"},
		"github.com/gofrs/flock":                                   {"local"},
		"github.com/google/go-cmp":                                 {},
		"github.com/google/go-containerregistry":                   {"image"},
		"github.com/hashicorp/terraform-plugin-framework":          {"provider", "command"},
		"github.com/hashicorp/terraform-plugin-framework-timeouts": {"provider"},
		"github.com/hashicorp/terraform-plugin-framework-validators": {
			"provider",
		},
		"github.com/hashicorp/terraform-plugin-go":         {"provider"},
		"github.com/hashicorp/terraform-plugin-log":        {"provider"},
		"github.com/hashicorp/terraform-plugin-testing":    {},
		"go.etcd.io/bbolt":                                 {"bolt"},
		"go.yaml.in/yaml/v3":                               {"skyserve", "machinetest"},
		"golang.org/x/crypto":                              {"acme"},
		"golang.org/x/crypto/x509roots/fallback":           {"command"},
		"github.com/letsencrypt/pebble/v2":                 {},
		"github.com/miekg/dns":                             {},
		"golang.org/x/sync":                                {"command"},
		"golang.org/x/sys":                                 {"local", "machinetest"},
		"gopkg.in/natefinch/lumberjack.v2":                 {"logfile"},
		"github.com/prometheus/client_golang":              {"metrics"},
		"k8s.io/api":                                       {"kube"},
		"k8s.io/apimachinery":                              {"kube"},
		"k8s.io/client-go":                                 {"kube"},
		"k8s.io/streaming":                                 {"kube"},
		"k8s.io/klog/v2":                                   {"kube"},
		"github.com/go-logr/logr":                          {"kube"},
		"github.com/aws/aws-sdk-go-v2":                     {"aws"},
		"github.com/aws/aws-sdk-go-v2/config":              {"aws"},
		"github.com/aws/aws-sdk-go-v2/credentials":         {"aws"},
		"github.com/aws/smithy-go":                         {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/ec2":         {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/autoscaling": {"aws"},
		"github.com/aws/aws-sdk-go-v2/feature/ec2/imds":    {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/iam":         {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/pricing":     {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/s3":          {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/servicequotas": {
			"aws",
		},
		"github.com/aws/aws-sdk-go-v2/service/ssm": {"aws"},
		"github.com/aws/aws-sdk-go-v2/service/sts": {"aws"},
		"cloud.google.com/go/auth":                 {"gcp"},
		"cloud.google.com/go/compute":              {"gcp"},
		"cloud.google.com/go/compute/metadata":     {"gcp"},
		"google.golang.org/api":                    {"gcp"},
		"pgregory.net/rapid":                       {},
	}
}

func TestEveryPackageImportsOnlyWhatItsPlaceAllows(t *testing.T) {
	t.Parallel()
	for _, fault := range ownFaults(listPackages(t, "./..."), mayImport()) {
		t.Error(fault)
	}
}

func TestEveryLibraryIsImportedByItsOwnerOnly(t *testing.T) {
	t.Parallel()
	pkgs := listPackages(t, "-deps", "./...")
	for _, fault := range libraryFaults(pkgs, owners()) {
		t.Error(fault)
	}
}

func TestNothingForTestsIsInTheBinary(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t, "-deps", ".") {
		for _, banned := range []string{
			inside + "servetest",
			inside + "awstest",
			inside + "fleettest",
			inside + "buckettest",
			inside + "gcptest",
			inside + "cloudtest",
			inside + "machinetest",
			"github.com/google/go-cmp",
			"github.com/hashicorp/terraform-plugin-sdk",
			"github.com/hashicorp/terraform-plugin-testing",
			"pgregory.net/rapid",
		} {
			if within(p.ImportPath, banned) {
				t.Errorf("%s is linked into the binary", p.ImportPath)
			}
		}
	}
}

func TestReadmeSaysWhatEveryLibraryIsFor(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(path.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for library := range owners() {
		if !strings.Contains(string(readme), "`"+library+"`") {
			t.Errorf("README.md does not say what %s is for", library)
		}
	}
}

// goPackage is what the go command tells of a package.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Module     *struct{ Path string }
}

// listPackages asks the go command about packages, leaving their tests aside.
func listPackages(t *testing.T, args ...string) []goPackage {
	t.Helper()
	args = append([]string{"list", "-json=ImportPath,Standard,Imports,Module"}, args...)
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running go %s: %v", strings.Join(args, " "), err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatalf("reading the output of go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// ownFaults says which imports among our own packages break the rules.
func ownFaults(pkgs []goPackage, rules map[string][]string) []string {
	var faults []string
	for _, p := range pkgs {
		name, ours := short(p.ImportPath)
		if !ours {
			continue
		}
		allowed, placed := rules[name]
		if !placed {
			faults = append(faults, fmt.Sprintf("package %s has no place in the table of packages", name))
		}
		for _, imp := range p.Imports {
			if other, ours := short(imp); placed && ours && !slices.Contains(allowed, other) {
				faults = append(faults, fmt.Sprintf("%s imports %s", name, other))
			}
		}
	}
	return faults
}

// libraryFaults says which of our imports of other modules break the rules.
// Among pkgs must be the imported packages, too, for the module each is of.
func libraryFaults(pkgs []goPackage, owners map[string][]string) []string {
	moduleOf := map[string]string{}
	for _, p := range pkgs {
		if p.Module != nil {
			moduleOf[p.ImportPath] = p.Module.Path
		}
	}
	var faults []string
	for _, p := range pkgs {
		name, ours := short(p.ImportPath)
		if !ours {
			continue
		}
		for _, imp := range p.Imports {
			library := moduleOf[imp]
			if library == "" || library == module {
				continue
			}
			if owning, known := owners[library]; !known {
				faults = append(faults, fmt.Sprintf("%s imports %s, which has no place in the table of libraries", name, imp))
			} else if !slices.Contains(owning, name) {
				faults = append(faults, fmt.Sprintf("%s imports %s, which belongs to %v", name, imp, owning))
			}
		}
	}
	return faults
}

// short gives our own name for one of our packages.
func short(importPath string) (name string, ours bool) {
	if importPath == module {
		return "main", true
	}
	name, ours = strings.CutPrefix(importPath, inside)
	return name, ours
}

// within reports whether importPath is prefix or lies below it.
func within(importPath, prefix string) bool {
	return importPath == prefix || strings.HasPrefix(importPath, prefix+"/")
}
