{{/*
SPDX-License-Identifier: Apache-2.0

What values.schema.json cannot say, or cannot say so that one knows what to change: rules
between values. Each ends the rendering with a sentence.
*/}}

{{- define "pinnace-sidecar.check" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- include "pinnace-sidecar.checkImage" (dict "key" "pinnace.image" "image" $values.image) -}}
{{- include "pinnace-sidecar.checkModels" $values -}}
{{- include "pinnace-sidecar.checkSocket" $values -}}
{{- include "pinnace-sidecar.checkListeners" $values -}}
{{- include "pinnace-sidecar.checkCpu" . -}}
{{- include "pinnace-sidecar.checkRequests" (dict "name" "pinnace" "resources" $values.resources) -}}
{{- if $values.models.initContainer.image -}}
{{- include "pinnace-sidecar.checkRequests" (dict "name" "pinnace.models.initContainer" "resources" $values.models.initContainer.resources) -}}
{{- end -}}
{{- include "pinnace-sidecar.checkMemory" $values -}}
{{- include "pinnace-sidecar.checkTimes" $values -}}
{{- include "pinnace-sidecar.checkArgs" $values -}}
{{- if and $values.models.imageVolume.reference (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "pinnace.models.imageVolume needs Kubernetes 1.33, this is %s: use pvc, configMap or initContainer" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end }}

{{/* A colon after the last slash begins a tag, one before it a registry's port; takes a dict: key, image. */}}
{{- define "pinnace-sidecar.checkImage" -}}
{{- $tag := regexFind ":[^/]*$" .image.repository | trimPrefix ":" -}}
{{- if $tag -}}
{{- fail (printf "%s.repository %s has a tag in it: set %s.tag to %s, and leave it out there" .key .image.repository .key $tag) -}}
{{- end -}}
{{- end }}

{{/* The socket's folder becomes a volume, in every container that mounts it. */}}
{{- define "pinnace-sidecar.checkSocket" -}}
{{- $folder := dir .uds.path -}}
{{- $taken := list "/dev/shm" -}}
{{- if include "pinnace-sidecar.hasModels" . }}{{ $taken = append $taken .models.path }}{{ end -}}
{{- if and .uds.enabled (has $folder $taken) -}}
{{- fail (printf "pinnace.uds.path: its folder becomes a volume, and there is another at %s: use a folder of its own, such as /run/pinnace/grpc.sock" $folder) -}}
{{- end -}}
{{- end }}

{{- define "pinnace-sidecar.checkModels" -}}
{{- $sources := list -}}
{{- if .models.pvc.claimName }}{{ $sources = append $sources "pvc.claimName" }}{{ end -}}
{{- if .models.configMap.name }}{{ $sources = append $sources "configMap.name" }}{{ end -}}
{{- if .models.imageVolume.reference }}{{ $sources = append $sources "imageVolume.reference" }}{{ end -}}
{{- if .models.initContainer.image }}{{ $sources = append $sources "initContainer.image" }}{{ end -}}
{{- if gt (len $sources) 1 -}}
{{- fail (printf "pinnace.models: %s are set, but models come from one place: keep one" (join " and " $sources)) -}}
{{- end -}}
{{- if not (or $sources .models.builtin) -}}
{{- fail "pinnace.models: nothing to serve: set one of pvc.claimName, configMap.name, imageVolume.reference and initContainer.image, or builtin: true to try the server" -}}
{{- end -}}
{{- if and .models.configMap.name (not .models.configMap.items) -}}
{{- fail "pinnace.models.configMap: the keys of a ConfigMap cannot hold a slash: set items, such as {key: flights.onnx, path: flights/1/model.onnx}" -}}
{{- end -}}
{{- end }}

{{- define "pinnace-sidecar.checkListeners" -}}
{{- if not (or .uds.enabled .tcp.enabled) -}}
{{- fail "pinnace: uds.enabled and tcp.enabled are both false, so nobody could ask the server: enable one" -}}
{{- end -}}
{{- if and .tcp.enabled .metrics.enabled (eq (int .tcp.port) (int .metrics.port)) -}}
{{- fail (printf "pinnace: tcp.port and metrics.port are both %d: change one" (int .tcp.port)) -}}
{{- end -}}
{{- if and (eq .probes.type "http") (not .metrics.enabled) -}}
{{- fail "pinnace: probes.type http asks the metrics port, and metrics.enabled is false: enable it, or set probes.type to exec" -}}
{{- end -}}
{{- if and (eq .probes.type "grpc") (not .tcp.enabled) -}}
{{- fail "pinnace: probes.type grpc needs TCP (the kubelet cannot ask a unix socket), and tcp.enabled is false: enable it, or set probes.type to http or exec" -}}
{{- end -}}
{{- $asked := dict "http" (dict "key" "metrics" "address" .metrics.address) "grpc" (dict "key" "tcp" "address" .tcp.address) -}}
{{- with index $asked .probes.type -}}
{{- if include "pinnace-sidecar.loopback" .address -}}
{{- fail (printf "pinnace: the kubelet asks the probes from outside the pod, and %s.address %s is inside: set it to 0.0.0.0 or ::, or probes.type to exec" .key .address) -}}
{{- end -}}
{{- end -}}
{{- if and .metrics.scrapeAnnotations (not .metrics.enabled) -}}
{{- fail "pinnace: metrics.scrapeAnnotations would name a port that metrics.enabled: false keeps shut: change one" -}}
{{- end -}}
{{- end }}

{{/* "true" for an address that only the pod itself can reach. */}}
{{- define "pinnace-sidecar.loopback" -}}
{{- if or (hasPrefix "127." .) (eq . "::1") }}true{{ end -}}
{{- end }}

{{- define "pinnace-sidecar.checkCpu" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- $limits := $values.resources.limits | default dict -}}
{{- if and (eq (toString $values.threads) "auto") (not $limits.cpu) -}}
{{- fail "pinnace: threads: auto follows resources.limits.cpu, which is not set, so the server would size itself to the node: set resources.limits.cpu, or threads to a number" -}}
{{- end -}}
{{- if eq (include "pinnace-sidecar.pinning" .) "require" -}}
{{- $milli := include "pinnace-sidecar.milli" $limits.cpu | int -}}
{{- if ne (mod $milli 1000) 0 -}}
{{- fail (printf "pinnace: pinning: require needs a whole number of CPUs, since only whole ones are given exclusively, and resources.limits.cpu is %v: set requests.cpu and limits.cpu to %d" $limits.cpu (add (div $milli 1000) 1)) -}}
{{- end -}}
{{- include "pinnace-sidecar.requireGuaranteed" (dict "root" . "name" "pinnace" "resources" $values.resources) -}}
{{- if and (ne (toString $values.threads) "auto") (gt (int $values.threads) (int (div $milli 1000))) -}}
{{- fail (printf "pinnace: pinning: require gives each thread a CPU, and threads: %d is more than resources.limits.cpu: %v: set threads to auto" (int $values.threads) $limits.cpu) -}}
{{- end -}}
{{- if $values.models.initContainer.image -}}
{{- include "pinnace-sidecar.requireGuaranteed" (dict "root" . "name" "pinnace.models.initContainer" "resources" $values.models.initContainer.resources) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
With pinning: require, refuse a container that keeps the pod from the QoS class Guaranteed.
Takes a dict: root (the root context), name (of the container, for the sentence), resources.
Include it for each further container of your pod; it renders nothing.
*/}}
{{- define "pinnace-sidecar.requireGuaranteed" -}}
{{- if eq (include "pinnace-sidecar.pinning" .root) "require" -}}
{{- $limits := (.resources | default dict).limits | default dict -}}
{{- $requests := (.resources | default dict).requests | default dict -}}
{{- $why := "pinning: require needs a pod of QoS class Guaranteed, so CPUs and memory requested = limited in every container" -}}
{{- range $what, $unit := dict "cpu" "pinnace-sidecar.milli" "memory" "pinnace-sidecar.bytes" -}}
{{- $limit := index $limits $what -}}
{{- $request := index $requests $what | default $limit -}}
{{- if not $limit -}}
{{- fail (printf "%s: %s, and resources.limits.%s is not set: set it" $.name $why $what) -}}
{{- else if ne (include $unit $request) (include $unit $limit) -}}
{{- fail (printf "%s: %s, and resources.requests.%s is %v but resources.limits.%s is %v: make them equal" $.name $why $what $request $what $limit) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A request above its limit, which the API server refuses; takes a dict: name, resources. */}}
{{- define "pinnace-sidecar.checkRequests" -}}
{{- $limits := (.resources | default dict).limits | default dict -}}
{{- $requests := (.resources | default dict).requests | default dict -}}
{{- range $what, $unit := dict "cpu" "pinnace-sidecar.milli" "memory" "pinnace-sidecar.bytes" -}}
{{- $limit := index $limits $what -}}
{{- $request := index $requests $what -}}
{{- if and $limit $request (gt (include $unit $request | int64) (include $unit $limit | int64)) -}}
{{- fail (printf "%s: resources.requests.%s is %v, above resources.limits.%s, which is %v: Kubernetes refuses that; set both to the same" $.name $what $request $what $limit) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The least limit: --max-inflight-bytes by default, 256 MiB, and 128 MiB for the server. */}}
{{- define "pinnace-sidecar.checkMemory" -}}
{{- $limit := (.resources.limits | default dict).memory -}}
{{- $own := regexMatch "(^| )--max-inflight-bytes=" (join " " .extraArgs) -}}
{{- if and $limit (not $own) (lt (include "pinnace-sidecar.bytes" $limit | int64) (mul 384 1048576)) -}}
{{- fail (printf "pinnace: resources.limits.memory is %v, but requests may take 256Mi and the server 128Mi, before any model: set limits.memory to 384Mi and the models' size, or --max-inflight-bytes=BYTES in extraArgs" $limit) -}}
{{- end -}}
{{- if and .shm.enabled $limit -}}
{{- if ge (include "pinnace-sidecar.bytes" .shm.sizeLimit | int64) (include "pinnace-sidecar.bytes" $limit | int64) -}}
{{- fail (printf "pinnace: shm.sizeLimit is %v and resources.limits.memory %v, but shared memory counts against the limit, so filling it would kill the server: raise limits.memory or lower shm.sizeLimit" .shm.sizeLimit $limit) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "pinnace-sidecar.checkTimes" -}}
{{- $least := add (int .preStopSeconds) (int .drainSeconds) 5 -}}
{{- if ge $least (int64 .terminationGracePeriodSeconds) -}}
{{- fail (printf "pinnace: preStopSeconds %d + drainSeconds %d + 5 must be below terminationGracePeriodSeconds %d, or the drain is cut short by SIGKILL: set terminationGracePeriodSeconds to %d or more" (int .preStopSeconds) (int .drainSeconds) (int .terminationGracePeriodSeconds) (add1 $least)) -}}
{{- end -}}
{{- end }}

{{/* Options that values of this chart give: a second --grpc-uds would win over the first. */}}
{{- define "pinnace-sidecar.checkArgs" -}}
{{- $owned := dict "model-repository" "models" "model-store" "models" "builtin-models" "models.builtin" "grpc-uds" "uds.path" "grpc-uds-mode" "uds.mode" "grpc-address" "tcp.address" "grpc-port" "tcp.port" "metrics-address" "metrics.address" "metrics-port" "metrics.port" "allow-metrics" "metrics.enabled" "threads" "threads" "pinning" "pinning" "cpu-request-milli" "resources.requests.cpu" "exit-timeout-secs" "drainSeconds" -}}
{{- range .extraArgs -}}
{{- $name := regexFind "^--[a-z-]+" . | trimPrefix "--" -}}
{{- with index $owned $name -}}
{{- fail (printf "pinnace.extraArgs: --%s follows from pinnace.%s: set that instead" $name .) -}}
{{- end -}}
{{- end -}}
{{- end }}
