// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

func TestDeployersAreOpenedOnceAndLate(t *testing.T) {
	t.Parallel()
	var opened []string
	d := &deployers{home: types.StringValue("mine"), options: Options{
		Home: func(configured string) (string, error) { return "/home/" + configured, nil },
		Deployers: func(s Settings) (map[string]serve.Deployer, error) {
			opened = append(opened, s.Home)
			return map[string]serve.Deployer{"local": newInfra(ready)}, nil
		},
	}}
	if !d.known("local") || len(opened) > 0 {
		t.Errorf("opened %v before anything was asked for", opened)
	}
	for range 2 {
		if _, err := d.get("local", ""); err != nil {
			t.Error(err)
		}
	}
	if _, err := d.get("moon", ""); !errors.Is(err, serve.ErrNotFound) {
		t.Errorf("an infra that there is not gives %v", err)
	}
	if len(opened) != 1 || opened[0] != "/home/mine" {
		t.Errorf("opened %v, want /home/mine once", opened)
	}
}

func TestDeployersThatCannotBeOpenedSayWhy(t *testing.T) {
	t.Parallel()
	boom := errors.New("no home")
	for what, d := range map[string]*deployers{
		"home":      {options: Options{Home: noHome(boom), Deployers: options(newInfra(ready)).Deployers}},
		"deployers": {options: Options{Deployers: func(Settings) (map[string]serve.Deployer, error) { return nil, boom }}},
	} {
		if _, err := d.get("local", ""); !errors.Is(err, boom) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	homeless := &deployers{options: Options{Home: noHome(boom), Deployers: options(newInfra(ready)).Deployers}}
	if _, err := homeless.get(kubernetesInfra, ""); err != nil {
		t.Errorf("without a home a cluster gives %v", err)
	}
	unknown := &deployers{home: types.StringUnknown()}
	if _, err := unknown.get("local", ""); err == nil || unknown.known("local") {
		t.Error("a home that is not known yet is used")
	}
}

// noHome is a home that cannot be had.
func noHome(why error) func(string) (string, error) {
	return func(string) (string, error) { return "", why }
}

func TestTheHomeIsConfiguredOrInTheEnvironment(t *testing.T) {
	t.Setenv(homeVariable, "/from/environment")
	for _, row := range []struct{ config, want string }{
		{"", "/from/environment"},
		{`home = "/from/configuration"`, "/from/configuration"},
		{`home = terraform_data.home.output`, "/made/late"},
	} {
		f := newInfra(ready)
		var homes []string
		o := options(f)
		open := o.Deployers
		o.Deployers = func(s Settings) (map[string]serve.Deployer, error) {
			homes = append(homes, s.Home)
			return open(s)
		}
		tf := newTerraformWith(t, o, `provider "serve" {
  `+row.config+`
}
resource "terraform_data" "home" { input = "/made/late" }
`+service(""))
		if found, ok := tf.apply(t); !ok || len(found) > 0 {
			t.Errorf("with %q: %+v", row.config, found)
		}
		for _, home := range homes {
			if home != row.want {
				t.Errorf("with %q the home is %q, want %q", row.config, home, row.want)
			}
		}
		if len(homes) == 0 {
			t.Errorf("with %q no deployer was opened", row.config)
		}
	}
}

// A cluster that is made in the same run keeps nobody from services elsewhere.
func TestAClusterThatIsNotKnownYetConcernsItselfOnly(t *testing.T) {
	t.Parallel()
	kind := attributeTypesOf(t)
	d := &deployers{home: types.StringValue("mine"), reached: map[string]types.Object{kubernetesInfra: types.ObjectUnknown(kind)}, options: options(newInfra(ready))}
	if _, err := d.get(localInfra, ""); err != nil {
		t.Errorf("the deployer of this machine: %v", err)
	}
	if _, err := d.get(kubernetesInfra, ""); err == nil || d.known(kubernetesInfra) {
		t.Error("a cluster that is not known yet is used")
	}
}

// attributeTypesOf gives the types of the provider's kubernetes.
func attributeTypesOf(t *testing.T) map[string]attr.Type {
	t.Helper()
	kind, ok := kubernetesAttribute().GetType().(types.ObjectType)
	if !ok {
		t.Fatal("kubernetes is no object")
	}
	return kind.AttrTypes
}
