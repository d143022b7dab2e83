// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// The forms of what Google Cloud gives names.
const (
	projectForm    = `^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`
	gcpRegionForm  = `^[a-z]+(-[a-z]+)+[0-9]+$`
	gcpZoneForm    = `^[a-z]+(-[a-z]+)+[0-9]+-[a-z0-9]+$`
	accountForm    = `^[^@\s]+@[^@\s]+\.[^@\s]+$`
	networkForm    = `^(` + linkForm + `projects/[^/\s]+/global/networks/)?[a-z]([a-z0-9-]{0,61}[a-z0-9])?$|` + subnetworkForm
	subnetworkForm = `^` + linkForm + `projects/[^/\s]+/regions/([^/\s]+)/subnetworks/[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`
	linkForm       = `(?:https://[^/\s]+/compute/[a-z0-9]+/)?`
	labelKeyForm   = `^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$`
	labelForm      = `^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$`
	takenLabelForm = `^(serve-infra-|goog)`
)

// notGCPRegion is what is said of a region that cannot be one.
const notGCPRegion = "is not a region of Google Cloud, which have names like \"us-east1\"."

// credentialTypes are the kinds of credentials that Google's libraries read.
func credentialTypes() []string {
	return []string{
		"service_account", "authorized_user", "impersonated_service_account", "external_account", "external_account_authorized_user", "gdch_service_account",
	}
}

// gcpCheck collects what is wrong with gcp.
type gcpCheck struct{ check }

// validateGCP says what cannot be meant.
func validateGCP(ctx context.Context, o types.Object) diag.Diagnostics {
	c := gcpCheck{check{at: path.Root(gcpInfra)}}
	m, ok := decode[gcpModel](ctx, o, &c.Diagnostics)
	if !ok {
		return c.Diagnostics
	}
	c.form(c.at.AtName("project"), m.Project, projectForm,
		"is not the id of a project, which is like \"my-project-123\"; the number of a project and the name that is shown of it are something else.")
	c.places(m)
	c.network(m)
	c.labels(m)
	c.endpoints(m.Endpoints, gcpServices(), "https://compute.example.com")
	c.form(c.at.AtName("impersonate_service_account"), m.ImpersonateServiceAccount, accountForm,
		"is not the address of a service account, which is like \"serve@my-project-123.iam.gserviceaccount.com\".")
	if known(m.Credentials) {
		if problem := credentialsProblem(m.Credentials.ValueString()); problem != "" {
			c.refuse(c.at.AtName("credentials"), problem)
		}
	}
	return c.Diagnostics
}

func (c *gcpCheck) places(m gcpModel) {
	c.form(c.at.AtName("region"), m.Region, gcpRegionForm, notGCPRegion)
	c.form(c.at.AtName("zone"), m.Zone, gcpZoneForm, "is not a zone of Google Cloud, which have names like \"us-east1-b\".")
	c.regions(m.Regions, gcpRegionForm, notGCPRegion)
	region, zone := m.Region.ValueString(), m.Zone.ValueString()
	formed := regexp.MustCompile(gcpRegionForm).MatchString(region) && regexp.MustCompile(gcpZoneForm).MatchString(zone)
	if formed && !strings.HasPrefix(zone, region+"-") {
		c.refuse(c.at.AtName("zone"), "The zone \""+zone+"\" is not in the region \""+region+"\".")
	}
}

// network refuses what is no network. A subnetwork is in one region.
func (c *gcpCheck) network(m gcpModel) {
	at := c.at.AtName("network")
	c.form(at, m.Network, networkForm, "is neither the name of a network, such as \"default\", nor \"projects/PROJECT/global/networks/NETWORK\" "+
		"or \"projects/PROJECT/regions/REGION/subnetworks/SUBNETWORK\".")
	in := regexp.MustCompile(subnetworkForm).FindStringSubmatch(m.Network.ValueString()) // the whole, and the region
	if in == nil || m.Regions.IsUnknown() {
		return
	}
	others := slices.ContainsFunc(m.Regions.Elements(), func(v attr.Value) bool {
		region, ok := v.(types.String)
		return ok && known(region) && region.ValueString() != in[1]
	})
	if others || len(m.Regions.Elements()) != 1 {
		c.refuse(at, "The subnetwork is in the region \""+in[1]+"\"; name that, and no other, by regions.")
	}
}

// labels refuses labels that Compute Engine does not take, and those that are taken.
func (c *gcpCheck) labels(m gcpModel) {
	at := c.at.AtName("default_labels")
	for _, key := range slices.Sorted(maps.Keys(m.DefaultLabels.Elements())) {
		switch {
		case regexp.MustCompile(takenLabelForm).MatchString(key):
			c.refuse(at.AtMapKey(key), "Labels that begin with \"serve-infra-\" are the provider's own, and those that begin with \"goog\" are Google's.")
		case !regexp.MustCompile(labelKeyForm).MatchString(key):
			c.refuse(at.AtMapKey(key), "The key of a label begins with a lower-case letter, has lower-case letters, digits, \"_\" and \"-\" only, and at most 63 of them.")
		}
		if v, ok := m.DefaultLabels.Elements()[key].(types.String); ok {
			c.form(at.AtMapKey(key), v, labelForm, "is not the value of a label, which has lower-case letters, digits, \"_\" and \"-\" only, and at most 63 of them.")
		}
	}
}

// credentialsProblem says what is wrong with credentials, nothing if they may be
// good. It repeats nothing of them, as what was meant for a file may be a key.
func credentialsProblem(text string) string {
	content, where := []byte(text), "They"
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		if strings.TrimSpace(text) == "" {
			return "They are empty. To have the default, leave them out or set them to null."
		}
		file, err := os.ReadFile(ExpandHome(text)) //nolint:gosec // the user names it
		if err != nil {
			return "They are neither JSON, nor the path of a file that can be read."
		}
		content, where = file, "The file"
	}
	var kind struct {
		Type string `json:"type"`
	}
	switch err := json.Unmarshal(content, &kind); {
	case err != nil:
		return where + " cannot be read as JSON."
	case !slices.Contains(credentialTypes(), kind.Type):
		return where + " must be JSON whose \"type\" is one of " + words(credentialTypes()) + ", as Google's own programs write it."
	}
	return ""
}
