// SPDX-License-Identifier: Apache-2.0

// What Kubernetes itself says of rendered manifests, without a cluster: reads YAML documents from
// standard input and prints one JSON line for each pod in them (a Pod, or the template of a
// Deployment, StatefulSet, DaemonSet or Job).
//
//	{"object": "Deployment/x", "qos": "Guaranteed", "restricted": [], "invalid": []}
//
// Defaulting, validation, the QoS class and Pod Security's "restricted" level are those of the
// Kubernetes modules named in go.mod.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

type verdict struct {
	Object     string   `json:"object"`
	QoS        string   `json:"qos"`
	Restricted []string `json:"restricted"` // why the level "restricted" forbids it
	Invalid    []string `json:"invalid"`    // what validation says
}

// podOf gives the pod that a manifest makes, or nil.
func podOf(kind string, raw []byte) (*corev1.Pod, error) {
	var template corev1.PodTemplateSpec
	var err error
	strict := func(into any) {
		err = yaml.UnmarshalStrict(raw, into)
	}
	switch kind {
	case "Pod":
		pod := &corev1.Pod{}
		strict(pod)
		return pod, err
	case "Deployment":
		object := appsv1.Deployment{}
		strict(&object)
		template = object.Spec.Template
	case "StatefulSet":
		object := appsv1.StatefulSet{}
		strict(&object)
		template = object.Spec.Template
	case "DaemonSet":
		object := appsv1.DaemonSet{}
		strict(&object)
		template = object.Spec.Template
	case "Job":
		object := batchv1.Job{}
		strict(&object)
		template = object.Spec.Template
	default:
		return nil, nil
	}
	return &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}, err
}

// admit makes of the pod what the API server would, and judges it.
func admit(name string, pod *corev1.Pod) (verdict, error) {
	v := verdict{Object: name, Restricted: []string{}, Invalid: []string{}}
	pod.Name, pod.Namespace = "pod", "default"
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	legacyscheme.Scheme.Default(pod)
	internal := &core.Pod{}
	if err := legacyscheme.Scheme.Convert(pod, internal, nil); err != nil {
		return v, err
	}
	options := validation.PodValidationOptions{
		AllowInvalidPodDeletionCost: false, ResourceIsPod: true, PodLevelResourcesEnabled: true,
	}
	for _, e := range validation.ValidatePodCreate(internal, options) {
		v.Invalid = append(v.Invalid, e.Error())
	}
	v.QoS = string(qos.GetPodQOS(pod))
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return v, err
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			v.Restricted = append(v.Restricted, result.ForbiddenReason+": "+result.ForbiddenDetail)
		}
	}
	return v, nil
}

func judge(raw []byte, out *json.Encoder) error {
	var head struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal(raw, &head); err != nil {
		return err
	}
	name := head.Kind + "/" + head.Name
	pod, err := podOf(head.Kind, raw)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if pod == nil {
		return nil
	}
	v, err := admit(name, pod)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return out.Encode(v)
}

func run(in io.Reader, out io.Writer) error {
	reader := utilyaml.NewYAMLReader(bufio.NewReader(in))
	encoder := json.NewEncoder(out)
	for {
		raw, err := reader.Read()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = judge(raw, encoder)
		}
		if err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}
