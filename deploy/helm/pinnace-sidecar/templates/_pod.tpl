{{/*
SPDX-License-Identifier: Apache-2.0

The pieces of a pod, each for one place of your own template; README.md shows them together.
*/}}

{{/*
For spec.initContainers: what fetches the models, if that is how they come, then the server,
if it is a native sidecar: your containers start when its models are loaded.
*/}}
{{- define "pinnace-sidecar.initContainers" -}}
{{- include "pinnace-sidecar.modelContainer" . -}}
{{- if include "pinnace-sidecar.native" . }}
- {{ include "pinnace-sidecar.container" . | nindent 2 | trim }}
  restartPolicy: Always
{{- end }}
{{- end }}

{{/* For spec.containers, beside yours: the server where there are no native sidecars. */}}
{{- define "pinnace-sidecar.containers" -}}
{{- if not (include "pinnace-sidecar.native" .) }}
- {{ include "pinnace-sidecar.container" . | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* The init container that writes the models. */}}
{{- define "pinnace-sidecar.modelContainer" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- with $values.models.initContainer }}
{{- if .image }}
- name: pinnace-models
  image: {{ .image | quote }}
  {{- with .command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- include "pinnace-sidecar.securityContext" $values | nindent 4 }}
  volumeMounts:
    - name: pinnace-models
      mountPath: {{ $values.models.path }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" where a volume holds models: the builtin ones need none. */}}
{{- define "pinnace-sidecar.hasModels" -}}
{{- with .models -}}
{{- if or .pvc.claimName .configMap.name .imageVolume.reference .initContainer.image }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* For spec.volumes. */}}
{{- define "pinnace-sidecar.volumes" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- if $values.uds.enabled }}
- name: pinnace-run
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- if $values.shm.enabled }}
- name: pinnace-shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ $values.shm.sizeLimit }}
{{- end }}
{{- if include "pinnace-sidecar.hasModels" $values }}
- name: pinnace-models
  {{- include "pinnace-sidecar.modelSource" $values.models | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pinnace-sidecar.modelSource" -}}
{{- if .pvc.claimName -}}
persistentVolumeClaim:
  claimName: {{ .pvc.claimName }}
  readOnly: true
{{- else if .configMap.name -}}
configMap:
  name: {{ .configMap.name }}
  items:
    {{- toYaml .configMap.items | nindent 4 }}
{{- else if .imageVolume.reference -}}
image:
  reference: {{ .imageVolume.reference | quote }}
  pullPolicy: {{ .imageVolume.pullPolicy }}
{{- else -}}
emptyDir:
  sizeLimit: {{ .initContainer.sizeLimit }}
{{- end -}}
{{- end }}

{{/* The server's own mounts; takes the server's values. */}}
{{- define "pinnace-sidecar.volumeMounts" -}}
{{- if .uds.enabled }}
- name: pinnace-run
  mountPath: {{ dir .uds.path }}
{{- end }}
{{- if .shm.enabled }}
- name: pinnace-shm
  mountPath: /dev/shm
{{- end }}
{{- if include "pinnace-sidecar.hasModels" . }}
- name: pinnace-models
  mountPath: {{ .models.path }}
  readOnly: true
  {{- with .models.pvc.subPath }}
  subPath: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/*
For the volumeMounts of your containers. The socket's folder is read-only for them: one can
connect there, and not put another socket in its place.
*/}}
{{- define "pinnace-sidecar.appVolumeMounts" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- if $values.uds.enabled }}
- name: pinnace-run
  mountPath: {{ dir $values.uds.path }}
  readOnly: true
{{- end }}
{{- if $values.shm.enabled }}
- name: pinnace-shm
  mountPath: /dev/shm
{{- end }}
{{- end }}

{{/* For the env of your containers: the target that a gRPC client dials. */}}
{{- define "pinnace-sidecar.appEnv" -}}
- name: PINNACE_URL
  value: {{ include "pinnace-sidecar.target" . | quote }}
{{- end }}

{{/*
For the pod's annotations. The cluster autoscaler keeps nodes whose pods hold local volumes,
unless it is told that these may go.
*/}}
{{- define "pinnace-sidecar.podAnnotations" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- $names := list -}}
{{- if $values.uds.enabled }}{{ $names = append $names "pinnace-run" }}{{ end -}}
{{- if $values.shm.enabled }}{{ $names = append $names "pinnace-shm" }}{{ end -}}
{{- if $values.models.initContainer.image }}{{ $names = append $names "pinnace-models" }}{{ end -}}
{{- with $names }}
cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: {{ join "," . | quote }}
{{- end }}
{{- if $values.metrics.scrapeAnnotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ $values.metrics.port | int | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{/* For spec.securityContext. It says nothing of your containers' users but that they are not root. */}}
{{- define "pinnace-sidecar.podSecurityContext" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
runAsNonRoot: true
{{- with $values.fsGroup }}
fsGroup: {{ . | int64 }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}
