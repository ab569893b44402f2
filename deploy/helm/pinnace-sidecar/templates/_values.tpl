{{/*
SPDX-License-Identifier: Apache-2.0

What other templates read the values by. Every template of this chart takes the root context
of the chart that includes it, and finds the server's values under the key that Helm puts
them: the alias "pinnace", or the chart's own name. What is "auto" there by the chart's mode is
decided here: a server alone is asked by TCP, one beside an application by its socket, and gets
SIGTERM no earlier than the application.
*/}}

{{- define "pinnace-sidecar.values" -}}
{{- $given := index .Values "pinnace" | default (index .Values "pinnace-sidecar") -}}
{{- if not $given -}}
{{- fail "pinnace-sidecar: no values under the key pinnace or pinnace-sidecar: is the chart among the dependencies of Chart.yaml, with alias: pinnace or without an alias?" -}}
{{- end -}}
{{- $values := deepCopy $given -}}
{{- $alone := eq (toString .Values.mode) "standalone" -}}
{{- if eq (toString $values.uds.enabled) "auto" }}{{ $_ := set $values.uds "enabled" (not $alone) }}{{ end -}}
{{- if eq (toString $values.tcp.enabled) "auto" }}{{ $_ := set $values.tcp "enabled" $alone }}{{ end -}}
{{- if eq (toString $values.preStopSeconds) "auto" -}}
{{- $beside := and (eq (toString .Values.mode) "sidecar") (not (include "pinnace-sidecar.isNative" (dict "root" . "native" $values.native))) -}}
{{- $_ := set $values "preStopSeconds" (ternary 5 (ternary .Values.app dict $beside).preStopSeconds $alone | default 0) -}}
{{- end -}}
{{- toYaml $values -}}
{{- end }}

{{/* The version to run by default is this chart's, not that of the chart around it. */}}
{{- define "pinnace-sidecar.image" -}}
{{- $chart := (index .Subcharts "pinnace" | default (index .Subcharts "pinnace-sidecar")).Chart -}}
{{- $image := (include "pinnace-sidecar.values" . | fromYaml).image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* "true" where the server is a native sidecar, else nothing. */}}
{{- define "pinnace-sidecar.native" -}}
{{- $native := (include "pinnace-sidecar.values" . | fromYaml).native -}}
{{- include "pinnace-sidecar.isNative" (dict "root" . "native" $native) -}}
{{- end }}

{{- define "pinnace-sidecar.isNative" -}}
{{- if kindIs "bool" .native -}}
{{- if .native }}true{{ end -}}
{{- else if semverCompare ">=1.29.0-0" .root.Capabilities.KubeVersion.Version -}}
true
{{- end -}}
{{- end }}

{{/* auto, off or require; YAML reads a bare off as false. */}}
{{- define "pinnace-sidecar.pinning" -}}
{{- $pinning := (include "pinnace-sidecar.values" . | fromYaml).pinning -}}
{{- if kindIs "bool" $pinning }}off{{ else }}{{ $pinning }}{{ end -}}
{{- end }}

{{/* Where a client in the pod finds the server. */}}
{{- define "pinnace-sidecar.target" -}}
{{- $values := include "pinnace-sidecar.values" . | fromYaml -}}
{{- if $values.uds.enabled -}}
unix://{{ $values.uds.path }}
{{- else -}}
localhost:{{ $values.tcp.port | int }}
{{- end -}}
{{- end }}

{{/* Thousandths of a CPU of a quantity as people write it: 2, "1.5", "500m". */}}
{{- define "pinnace-sidecar.milli" -}}
{{- $text := toString . -}}
{{- if hasSuffix "m" $text -}}
{{- trimSuffix "m" $text | int64 -}}
{{- else -}}
{{- round (mulf (float64 $text) 1000) 0 | int64 -}}
{{- end -}}
{{- end }}

{{/* Bytes of a quantity as people write it: 1073741824, "1.5Gi", "500M". */}}
{{- define "pinnace-sidecar.bytes" -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $text := toString . -}}
{{- $unit := regexFind "(Ki|Mi|Gi|Ti|k|M|G|T)$" $text -}}
{{- round (mulf (trimSuffix $unit $text | float64) (index $units $unit)) 0 | int64 -}}
{{- end }}
