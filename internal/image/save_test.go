// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package image

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// files gives the content of every file below a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSavedTwiceItIsTheSameFiles(t *testing.T) {
	t.Parallel()
	first, second := filepath.Join(t.TempDir(), "new", "directory"), t.TempDir()
	for _, dir := range []string{first, second, second} { // the second one again, over itself
		if err := mustBuild(t, "1.2.3", binaries(t, "a program")).Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := files(t, first), files(t, second); !maps.Equal(a, b) {
		t.Errorf("%v and %v differ", slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	}
}

func TestALayoutKeepsItsOtherEntries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, image := range []*Image{
		mustBuild(t, "1.2.3", binaries(t, "a program")),
		mustBuild(t, "1.2.4+fix", binaries(t, "a program")),
		mustBuild(t, "1.2.3", binaries(t, "a better program")),
	} {
		if err := image.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	var index descriptors
	decode(t, files(t, dir)["index.json"], &index)
	var names []string
	for _, m := range index.Manifests {
		names = append(names, m.Annotations[refName])
	}
	if slices.Sort(names); !slices.Equal(names, []string{"1.2.3", "1.2.4_fix"}) {
		t.Errorf("the layout has %v", names)
	}
}

func TestADirectoryOfSomethingElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := mustBuild(t, "1.2.3", binaries(t, "")).Save(dir)
	if err == nil || !strings.Contains(err.Error(), "neither empty nor an OCI layout") || len(files(t, dir)) != 1 {
		t.Errorf("the error is %v, and there are %d files", err, len(files(t, dir)))
	}
}

// descriptors is what an index and a manifest say of other files, in the names
// of https://github.com/opencontainers/image-spec, read without the library that
// wrote them.
type descriptors struct {
	SchemaVersion int
	MediaType     string
	Annotations   map[string]string
	Manifests     []descriptor
	Config        descriptor
	Layers        []descriptor
}

type descriptor struct {
	MediaType, Digest string
	Size              int
	Platform          struct{ OS, Architecture string }
	Annotations       map[string]string
}

// follow gives what a descriptor refers to, which must be as it says.
func (d descriptor) follow(t *testing.T, all map[string]string, mediaType string) string {
	t.Helper()
	content, found := all["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	if sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))); !found || d.Digest != sum || d.Size != len(content) || d.MediaType != mediaType {
		t.Errorf("%+v, which should be of type %s, is %d bytes of digest %s", d, mediaType, len(content), sum)
	}
	return content
}

func decode(t *testing.T, content string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(content), v); err != nil {
		t.Fatalf("%v in %q", err, content)
	}
}

func TestTheSavedLayoutIsWhatTheSpecificationAsksFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	image := mustBuild(t, "1.2.3", binaries(t, "a program"))
	if err := image.Save(dir); err != nil {
		t.Fatal(err)
	}
	if index, err := layout.ImageIndexFromPath(dir); err != nil || validate.Index(index) != nil {
		t.Errorf("read by the library, it is %v, %v", validate.Index(index), err)
	}

	const of = "application/vnd.oci.image."
	all := files(t, dir)
	var version struct{ ImageLayoutVersion string }
	if decode(t, all["oci-layout"], &version); version.ImageLayoutVersion != "1.0.0" {
		t.Errorf("the layout is of version %q", version.ImageLayoutVersion)
	}
	var top, index descriptors
	decode(t, all["index.json"], &top)
	if len(top.Manifests) != 1 || top.Manifests[0].Digest != image.Digest() || top.SchemaVersion != 2 {
		t.Fatalf("index.json has %+v", top)
	}
	decode(t, top.Manifests[0].follow(t, all, of+"index.v1+json"), &index)
	if index.SchemaVersion != 2 || index.MediaType != of+"index.v1+json" || index.Annotations["org.opencontainers.image.version"] != "1.2.3" {
		t.Errorf("the index is %+v", index)
	}
	var platforms []string
	for _, m := range index.Manifests {
		platforms = append(platforms, m.Platform.OS+"/"+m.Platform.Architecture)
		var manifest descriptors
		decode(t, m.follow(t, all, of+"manifest.v1+json"), &manifest)
		if manifest.SchemaVersion != 2 || manifest.MediaType != of+"manifest.v1+json" || len(manifest.Layers) != 1 {
			t.Fatalf("the manifest is %+v", manifest)
		}
		compressed := manifest.Layers[0].follow(t, all, of+"layer.v1.tar+gzip")
		checkConfig(t, m, manifest.Config.follow(t, all, of+"config.v1+json"), compressed)
	}
	if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("the index has %v", platforms)
	}
}

// checkConfig holds a configuration to its place in the index and its layer.
func checkConfig(t *testing.T, m descriptor, content, compressed string) {
	t.Helper()
	var config struct {
		OS, Architecture, Created string
		Config                    struct {
			User       string
			Entrypoint []string
			Cmd        []string
			Labels     map[string]string
		}
		RootFS struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		}
		History []struct{ Created string }
	}
	decode(t, content, &config)
	unzip, err := gzip.NewReader(bytes.NewReader([]byte(compressed)))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	if id := fmt.Sprintf("sha256:%x", sha256.Sum256(layer)); config.RootFS.Type != "layers" || !slices.Equal(config.RootFS.DiffIDs, []string{id}) {
		t.Errorf("the layer is %s, and the file system %+v", id, config.RootFS)
	}
	if !unzip.ModTime.IsZero() || unzip.Name != "" {
		t.Errorf("the compressed layer tells of %s and %q", unzip.ModTime, unzip.Name)
	}
	const epoch = "1970-01-01T00:00:00Z"
	if config.Created != epoch || len(config.History) != 1 || config.History[0].Created != epoch {
		t.Errorf("it is of %s, with the history %v", config.Created, config.History)
	}
	if config.OS != m.Platform.OS || config.Architecture != m.Platform.Architecture {
		t.Errorf("a configuration for %s/%s is taken for one of %v", config.OS, config.Architecture, m.Platform)
	}
	c := config.Config
	if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/serve"}) || c.Cmd != nil || c.Labels["org.opencontainers.image.version"] != "1.2.3" {
		t.Errorf("containers are started by %+v", c)
	}
}
