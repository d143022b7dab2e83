// Copyright (c) The terraform-provider-serve authors
// SPDX-License-Identifier: MPL-2.0

package kube

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/serve-infra/terraform-provider-serve/internal/serve"
)

// A bundle is a pile of Secrets: an index, and the pieces, which the index owns,
// so that with the index everything goes. The index says how many pieces there
// are once they are complete. Whoever needs the bundle is an owner of the index:
// Kubernetes removes it with the last one.
const (
	pieceKey  = "piece"
	countKey  = "count"
	pieceSize = 900 << 10
	maxBundle = 50 << 20
)

type ownerReference = metav1.OwnerReference

// piles are the bundles in one namespace.
type piles struct{ *site }

func indexName(digest string) string { return "bundle." + hexOf(digest)[:min(40, len(hexOf(digest)))] }

func pieceName(digest string, i int) string { return fmt.Sprintf("%s.%03d", indexName(digest), i) }

func pieceNames(digest string, count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = pieceName(digest, i)
	}
	return names
}

// find gives the names of a bundle's pieces, none if it is not there as a whole.
func (p piles) find(ctx context.Context, digest string) ([]string, error) {
	if hexOf(digest) == "" {
		return nil, fmt.Errorf("%w: %q is not a digest", serve.ErrInvalid, digest)
	}
	index, err := p.typed.CoreV1().Secrets(p.namespace).Get(ctx, indexName(digest), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for bundle %s: %w", digest, meaning(err))
	}
	if index.Data[countKey] == nil || index.DeletionTimestamp != nil {
		return nil, nil // it is being put, or going
	}
	count, err := strconv.Atoi(string(index.Data[countKey]))
	if err != nil {
		return nil, fmt.Errorf("reading the index of bundle %s: %w", digest, err)
	}
	return pieceNames(digest, count), nil
}

// ensure puts a bundle that is not there, and tells whether it did.
func (p piles) ensure(ctx context.Context, digest string, owners []ownerReference, open func(string) (io.ReadCloser, error)) (names []string, put bool, err error) {
	names, err = p.find(ctx, digest)
	if err != nil || names != nil {
		return names, false, err
	}
	content, err := open(digest)
	if err != nil {
		return nil, false, fmt.Errorf("opening bundle %s: %w", digest, err)
	}
	defer content.Close()
	if err := p.put(ctx, digest, content); err != nil {
		return nil, true, err
	}
	for _, o := range owners {
		if err := addOwner(ctx, p.site, indexName(digest), o); err != nil {
			return nil, true, err
		}
	}
	names, err = p.find(ctx, digest)
	if err == nil && names == nil {
		err = fmt.Errorf("%w: bundle %s was removed while it was being stored", serve.ErrConflict, digest)
	}
	return names, true, err
}

func (p piles) put(ctx context.Context, digest string, content io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(content, maxBundle+1))
	if err != nil {
		return fmt.Errorf("reading bundle %s: %w", digest, err)
	}
	if len(data) > maxBundle {
		return fmt.Errorf("%w: a cluster can hold bundles of %d MiB at most, and %s is larger; put large files into the image or a bucket", serve.ErrInvalid, maxBundle>>20, digest)
	}
	if sum := sha256.Sum256(data); hexOf(digest) == "" || hex.EncodeToString(sum[:]) != hexOf(digest) {
		return fmt.Errorf("%w: the content is not that of bundle %s", serve.ErrInvalid, digest)
	}
	if err := p.store(ctx, digest, data); err != nil {
		return fmt.Errorf("storing bundle %s: %w", digest, meaning(err))
	}
	return nil
}

// store makes the index, the pieces, and then completes the index. Several may
// store the same bundle at once: each finds what the others have made.
func (p piles) store(ctx context.Context, digest string, data []byte) error {
	secrets := p.typed.CoreV1().Secrets(p.namespace)
	labels := map[string]string{labelManager: manager, labelBundle: hexOf(digest)[:60]}
	index, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Name: indexName(digest), Labels: labels,
	}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		index, err = secrets.Get(ctx, indexName(digest), metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	owner := Owner{APIVersion: "v1", Kind: "Secret", Name: index.Name, UID: string(index.UID)}.reference()
	count := 0
	for piece := range slices.Chunk(data, pieceSize) {
		err := p.storePiece(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: pieceName(digest, count), Labels: labels, OwnerReferences: []ownerReference{owner}},
			Data:       map[string][]byte{pieceKey: piece},
			Immutable:  new(true),
		})
		if err != nil {
			return err
		}
		count++
	}
	done, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": index.UID},
		"data":     map[string][]byte{countKey: []byte(strconv.Itoa(count))},
	})
	if err != nil {
		return err
	}
	_, err = secrets.Patch(ctx, index.Name, types.MergePatchType, done, metav1.PatchOptions{})
	return err
}

// storePiece makes a piece, in place of one that belongs to an index which is
// gone: that one is about to go too.
func (p piles) storePiece(ctx context.Context, piece *corev1.Secret) error {
	secrets := p.typed.CoreV1().Secrets(p.namespace)
	_, err := secrets.Create(ctx, piece, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	there, err := secrets.Get(ctx, piece.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err == nil {
		same := len(there.OwnerReferences) == 1 && there.OwnerReferences[0].UID == piece.OwnerReferences[0].UID
		if same && there.DeletionTimestamp == nil && bytes.Equal(there.Data[pieceKey], piece.Data[pieceKey]) {
			return nil
		}
		err = secrets.Delete(ctx, piece.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &there.UID}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return err
		}
	}
	_, err = secrets.Create(ctx, piece, metav1.CreateOptions{})
	return err
}

func (p piles) open(ctx context.Context, digest string) (io.ReadCloser, error) {
	names, err := p.find(ctx, digest)
	if err == nil && names == nil {
		err = fmt.Errorf("opening bundle %s: %w", digest, serve.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	var data []byte
	for _, name := range names {
		piece, err := p.typed.CoreV1().Secrets(p.namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("reading bundle %s: %w", digest, meaning(err))
		}
		data = append(data, piece.Data[pieceKey]...)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// indexes lists the indexes of all bundles.
func (p piles) indexes(ctx context.Context) ([]metav1.PartialObjectMetadata, error) {
	list, err := p.typed.CoreV1().Secrets(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: labelBundle})
	if err != nil {
		return nil, fmt.Errorf("listing bundles: %w", meaning(err))
	}
	var all []metav1.PartialObjectMetadata
	for _, s := range list.Items {
		if s.Immutable == nil || !*s.Immutable { // pieces are immutable
			all = append(all, metav1.PartialObjectMetadata{ObjectMeta: s.ObjectMeta})
		}
	}
	return all, nil
}

// disown takes the index from an owner. One that nobody owns is removed, unless
// somebody has come to own it meanwhile.
func (p piles) disown(ctx context.Context, index metav1.PartialObjectMetadata, uid string) error {
	left := slices.DeleteFunc(slices.Clone(index.OwnerReferences), func(o ownerReference) bool { return string(o.UID) == uid })
	if len(left) == 0 {
		return p.remove(ctx, index)
	}
	patch := fmt.Appendf(nil, `{"metadata":{"ownerReferences":[{"$patch":"delete","uid":%q}]}}`, uid)
	_, err := p.typed.CoreV1().Secrets(p.namespace).Patch(ctx, index.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("giving up a bundle: %w", meaning(err))
	}
	return nil
}

// removeUnowned removes a bundle that nobody has come to need.
func (p piles) removeUnowned(ctx context.Context, digest string) error {
	index, err := p.typed.CoreV1().Secrets(p.namespace).Get(ctx, indexName(digest), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("removing bundle %s: %w", digest, meaning(err))
	case len(index.OwnerReferences) > 0:
		return nil
	}
	return p.remove(ctx, metav1.PartialObjectMetadata{ObjectMeta: index.ObjectMeta})
}

// remove removes a bundle as it was seen. Its pieces go with the index.
func (p piles) remove(ctx context.Context, index metav1.PartialObjectMetadata) error {
	err := p.typed.CoreV1().Secrets(p.namespace).Delete(ctx, index.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &index.UID, ResourceVersion: &index.ResourceVersion},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("removing a bundle: %w", meaning(err))
	}
	return nil
}

// addOwner makes a Secret go when its last owner does.
func addOwner(ctx context.Context, s *site, name string, owner ownerReference) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"ownerReferences": []ownerReference{owner}}})
	if err != nil {
		return err
	}
	_, err = s.typed.CoreV1().Secrets(s.namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("noting who needs the Secret %q: %w", name, meaning(err))
	}
	return nil
}
