// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// annotationEnding marks a pod whose end somebody here has asked for.
const annotationEnding = group + "/ending"

// containerName is the name of a replica's one container.
const containerName = "server"

// podName names the pod of a replica, and its Secret.
func podName(ref serve.Ref) string {
	sum := sha256.Sum256([]byte(ref.UID))
	return fmt.Sprintf("%s-%d-%s", ref.Service, ref.Replica, hex.EncodeToString(sum[:4]))
}

// checkRef makes sure that names and labels can be made of the reference.
func checkRef(ref serve.Ref) error {
	if problems := validation.IsDNS1123Label(ref.Service); len(problems) > 0 || len(ref.Service) > 50 {
		return fmt.Errorf("%w: on Kubernetes the name of a service has at most 50 lower-case letters, digits and \"-\", which %q is not", serve.ErrInvalid, ref.Service)
	}
	if problems := validation.IsValidLabelValue(ref.UID); len(problems) > 0 {
		return fmt.Errorf("%w: the UID %q: %s", serve.ErrInvalid, ref.UID, strings.Join(problems, "; "))
	}
	return nil
}

// possible reports whether there can be anything of the reference's here.
func possible(ref serve.Ref) bool { return checkRef(ref) == nil }

func labelsOf(ref serve.Ref) map[string]string {
	return map[string]string{
		labelManager:   manager,
		labelComponent: componentReplica,
		labelService:   ref.Service,
		labelReplica:   strconv.FormatInt(ref.Replica, 10),
		labelUID:       ref.UID,
	}
}

// blueprint is all that a pod is made of.
type blueprint struct {
	req     serve.LaunchRequest
	ask     ask
	target  target
	scope   string
	image   string
	id      string
	owners  []metav1.OwnerReference
	bundles map[string][]string // the Secrets of each bundle, in order, by digest
}

// meta is what the pod and its Secret have in common.
func (b blueprint) meta() (metav1.ObjectMeta, error) {
	ref := b.req.Ref
	data, err := json.Marshal(serve.Instance{Ref: ref, Revision: b.req.Revision, ID: b.id, Offer: b.req.Offer})
	if err != nil {
		return metav1.ObjectMeta{}, err
	}
	labels := make(map[string]string)
	maps.Copy(labels, b.req.Resource.Labels)
	maps.Copy(labels, labelsOf(ref))
	delete(labels, labelScope) // it is not for the user to say
	if b.scope != "" {
		labels[labelScope] = b.scope
	}
	return metav1.ObjectMeta{
		Name:            podName(ref),
		Labels:          labels,
		Annotations:     map[string]string{annotationInstance: string(data)},
		OwnerReferences: b.owners,
	}, nil
}

// secret holds the secret variables; nil if there are none.
func (b blueprint) secret() (*corev1.Secret, error) {
	if len(b.req.Task.Secrets) == 0 {
		return nil, nil
	}
	meta, err := b.meta()
	return &corev1.Secret{ObjectMeta: meta, StringData: b.req.Task.Secrets}, err
}

// pod is the pod. It is never restarted: a program that ends is news for the
// controller. Its processes share a namespace with Kubernetes' own first process,
// so that none of them is process 1, which signals do not end by themselves.
func (b blueprint) pod() (*corev1.Pod, error) {
	meta, err := b.meta()
	if err != nil {
		return nil, err
	}
	task := b.req.Task
	args := []string{literal(startScript), "serve-infra", literal(task.Setup), literal(task.Run)}
	volumes := []corev1.Volume{{Name: "workdir", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	places := []corev1.VolumeMount{{Name: "workdir", MountPath: workDir}}
	for i, m := range mounts(task.Workdir, task.FileMounts) {
		name := "bundle-" + strconv.Itoa(i)
		at := bundlesDir + "/" + strconv.Itoa(i)
		args = append(args, at, literal(m.to))
		volumes = append(volumes, projected(name, b.bundles[m.digest]))
		places = append(places, corev1.VolumeMount{Name: name, MountPath: at, ReadOnly: true})
	}
	if b.ask.count > 0 {
		// Programs on several accelerators talk through shared memory, of which a
		// container has next to none by itself.
		volumes = append(volumes, corev1.Volume{Name: "shm", VolumeSource: corev1.VolumeSource{
			EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
		}})
		places = append(places, corev1.VolumeMount{Name: "shm", MountPath: "/dev/shm"})
	}
	return &corev1.Pod{
		ObjectMeta: meta,
		Spec: corev1.PodSpec{
			RestartPolicy:                corev1.RestartPolicyNever,
			ShareProcessNamespace:        new(true),
			AutomountServiceAccountToken: new(false),
			EnableServiceLinks:           new(false),
			NodeSelector:                 b.ask.kubernetes.NodeSelector,
			Tolerations:                  b.ask.tolerations(b.req.Offer.Market),
			Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: b.target.terms},
			}},
			Volumes: volumes,
			Containers: []corev1.Container{{
				Name:                   containerName,
				Image:                  cmp.Or(strings.TrimPrefix(b.req.Resource.ImageID, "docker:"), b.image),
				Command:                []string{"/bin/sh", "-c"},
				Args:                   args,
				WorkingDir:             workDir,
				Ports:                  []corev1.ContainerPort{{ContainerPort: int32(b.req.Port)}},
				Env:                    b.env(),
				Resources:              b.resources(),
				VolumeMounts:           places,
				TerminationMessagePath: phaseFile,
			}},
		},
	}, nil
}

// env gives the variables in a fixed order. Ours win over the user's, and secret
// ones over the others, as everywhere.
func (b blueprint) env() []corev1.EnvVar {
	vars := make(map[string]corev1.EnvVar)
	for name, value := range b.req.Task.Envs {
		vars[name] = corev1.EnvVar{Name: name, Value: literal(value)}
	}
	for name := range b.req.Task.Secrets {
		vars[name] = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: podName(b.req.Ref)}, Key: name,
		}}}
	}
	for name, value := range map[string]string{
		"HOST":                      "0.0.0.0",
		"PORT":                      strconv.Itoa(b.req.Port),
		"SERVE_SERVICE":             b.req.Ref.Service,
		"SERVE_SERVICE_UID":         b.req.Ref.UID,
		"SERVE_REPLICA_ID":          strconv.FormatInt(b.req.Ref.Replica, 10),
		"SKYPILOT_SERVE_REPLICA_ID": strconv.FormatInt(b.req.Ref.Replica, 10),
	} {
		vars[name] = corev1.EnvVar{Name: name, Value: value}
	}
	var all []corev1.EnvVar
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		all = append(all, vars[name])
	}
	return all
}

// resources asks for processors and memory without a limit, as SkyPilot does:
// what a node has to spare may be used.
func (b blueprint) resources() corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    *quantity.NewMilliQuantity(int64(math.Ceil(b.ask.cpus*1000)), quantity.DecimalSI),
		corev1.ResourceMemory: *quantity.NewQuantity(int64(math.Ceil(b.ask.memory*gib)), quantity.BinarySI),
	}}
	if b.ask.count > 0 {
		n := *quantity.NewQuantity(b.ask.count, quantity.DecimalSI)
		r.Requests[b.target.device] = n
		r.Limits = corev1.ResourceList{b.target.device: n}
	}
	return r
}

// projected is a volume with the pieces of a bundle, named so that they sort.
func projected(name string, secrets []string) corev1.Volume {
	var sources []corev1.VolumeProjection
	for i, s := range secrets {
		sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: s},
			Items:                []corev1.KeyToPath{{Key: pieceKey, Path: fmt.Sprintf("%03d", i)}},
		}})
	}
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		// A user of the image's own may have to read it, and it is the user's already.
		Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o444))},
	}}
}

// instanceOf reads back what a pod or a Secret says of its replica.
func instanceOf(meta metav1.ObjectMeta) (serve.Instance, error) {
	var i serve.Instance
	if err := json.Unmarshal([]byte(meta.Annotations[annotationInstance]), &i); err != nil {
		// Whoever has spoilt the annotation has left the labels, or it were not found.
		id, parseErr := strconv.ParseInt(meta.Labels[labelReplica], 10, 64)
		if parseErr != nil {
			return i, fmt.Errorf("reading what %q says of its replica: %w", meta.Name, err)
		}
		i = serve.Instance{Ref: serve.Ref{Service: meta.Labels[labelService], UID: meta.Labels[labelUID], Replica: id}}
	}
	i.ID = meta.Namespace + "/" + meta.Name
	i.LaunchedAt = meta.CreationTimestamp.UTC().Round(0)
	return i, nil
}

// instance is the pod as a machine. One whose program has ended by itself is
// there all the same; that the program has ended is told as that.
func instance(p *corev1.Pod) (serve.Instance, error) {
	i, err := instanceOf(p.ObjectMeta)
	if err != nil {
		return i, err
	}
	if len(p.Spec.Containers) > 0 && len(p.Spec.Containers[0].Ports) > 0 && p.Status.PodIP != "" {
		i.Address = net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(p.Spec.Containers[0].Ports[0].ContainerPort)))
	}
	i.Running = p.DeletionTimestamp == nil && started(p) && taken(p) == ""
	return i, nil
}

// container gives the state of the replica's container.
func container(p *corev1.Pod) corev1.ContainerState {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == containerName {
			return s.State
		}
	}
	return corev1.ContainerState{}
}

// started reports whether the program was ever started.
func started(p *corev1.Pod) bool {
	s := container(p)
	return s.Running != nil || s.Terminated != nil
}

// taken says why a pod is lost though it is listed yet: it was evicted, or its
// node has shut down or never took it. A program that ends by itself is no loss.
func taken(p *corev1.Pod) string {
	if p.Status.Phase != corev1.PodFailed {
		return ""
	}
	if reason := p.Status.Reason; reason != "" {
		return strings.TrimSuffix(reason+": "+p.Status.Message, ": ")
	}
	if why := disruption(p); why != "" {
		return why
	}
	if container(p).Terminated == nil {
		return cmp.Or(p.Status.Message, "its node has given it up")
	}
	return ""
}

// disruption says for what reason the cluster is about to take the pod.
func disruption(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return strings.TrimSuffix(c.Reason+": "+c.Message, ": ")
		}
	}
	return ""
}

// graceOf is how long the pod may take to end.
func graceOf(p *corev1.Pod) time.Duration {
	if s := p.Spec.TerminationGracePeriodSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 30 * time.Second
}
