// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package gcptest

import "slices"

// image is an image of a disk that instances are made of. The newest of its line is
// also had by its family.
type image struct {
	project, family, name, arch string
	sizeGB                      int
	// fixed is of an image whose system is not to be changed, as Container-Optimized
	// OS is.
	fixed bool
}

// images are those that Google publishes, as far as there is need for them here.
func images() []image {
	return []image{
		{project: "debian-cloud", family: "debian-12", name: "debian-12-bookworm-v20261014", arch: "X86_64", sizeGB: 10},
		{project: "debian-cloud", family: "debian-12-arm64", name: "debian-12-bookworm-arm64-v20261014", arch: "ARM64", sizeGB: 10},
		{project: "debian-cloud", family: "debian-13", name: "debian-13-trixie-v20261014", arch: "X86_64", sizeGB: 10},
		{project: "debian-cloud", family: "debian-13-arm64", name: "debian-13-trixie-arm64-v20261014", arch: "ARM64", sizeGB: 10},
		{project: "cos-cloud", family: "cos-stable", name: "cos-stable-125-19216-104-25", arch: "X86_64", sizeGB: 10, fixed: true},
		{project: "cos-cloud", family: "cos-arm64-stable", name: "cos-arm64-stable-125-19216-104-25", arch: "ARM64", sizeGB: 10, fixed: true},
		{project: "ubuntu-os-cloud", family: "ubuntu-2404-lts-amd64", name: "ubuntu-2404-noble-amd64-v20261021", arch: "X86_64", sizeGB: 10},
		{
			project: "deeplearning-platform-release", family: "common-cu129-ubuntu-2204-nvidia-580",
			name: "common-cu129-ubuntu-2204-nvidia-580-v20261020", arch: "X86_64", sizeGB: 50,
		}, {
			project: "deeplearning-platform-release", family: "common-cu128-ubuntu-2204-nvidia-570",
			name: "common-cu128-ubuntu-2204-nvidia-570-v20260218", arch: "X86_64", sizeGB: 50,
		},
	}
}

// imageProjects are those whose images everybody may use.
func imageProjects() []string {
	var out []string
	for _, i := range images() {
		if !slices.Contains(out, i.project) {
			out = append(out, i.project)
		}
	}
	return out
}

func (i image) path() string { return "projects/" + i.project + "/global/images/" + i.name }

func (i image) describe() fields {
	return fields{
		"kind": "compute#image", "id": idOf("image", i.name), "name": i.name, "family": i.family, "architecture": i.arch,
		"diskSizeGb": i.sizeGB, "status": "READY", "sourceType": "RAW", "creationTimestamp": stamp(made()), "selfLink": link(i.path()),
		"archiveSizeBytes": int64(i.sizeGB) << 28, "storageLocations": []string{"us"}, "labelFingerprint": fingerprint(i.name),
		"licenses": []string{link("projects/" + i.project + "/global/licenses/" + i.family)},
	}
}

// imageAt finds an image by its path, or by that of its family. What a zone has of a
// family, by which the command line names one, is the same in all of them.
func imageAt(path string) (image, bool) {
	for _, i := range images() {
		project := "projects/" + i.project
		if slices.Contains([]string{i.path(), project + "/global/images/family/" + i.family, project + "/zones/-/imageFamilyViews/" + i.family}, path) {
			return i, true
		}
	}
	return image{}, false
}

func getImage(c *call, _ fields) (fields, error) { return c.image(c.param("image")) }

func getImageFromFamily(c *call, _ fields) (fields, error) {
	return c.image("family/" + c.param("family"))
}

func (c *call) image(name string) (fields, error) {
	path := "projects/" + c.param("project") + "/global/images/" + name
	i, ok := imageAt(path)
	if !ok {
		return nil, notFound(path)
	}
	return i.describe(), nil
}

func listImages(c *call, _ fields) (fields, error) {
	list := slices.DeleteFunc(images(), func(i image) bool { return i.project != c.param("project") })
	return listed(c, "compute#imageList", "Image", list, image.describe)
}
