#!/usr/bin/env pwsh
# The verbs of build.sh for PowerShell: `./build.ps1 help` lists them. Installs nothing: CMake, Ninja, a C++20 compiler, GoogleTest,
# Google Benchmark and the .NET SDK 10 must be there.
param([string]$Verb = 'all', [Parameter(ValueFromRemainingArguments)][string[]]$Rest = @())

$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
Set-Location $PSScriptRoot
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$results = Join-Path $PSScriptRoot 'artifacts/test-results'
$sample = 'samples/models/tiny-llama'

function Invoke-Checked([string]$Program, [string[]]$Arguments) {
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { throw "$Program $($Arguments -join ' ') ended with status $LASTEXITCODE" }
}

function Build-Setup {
    foreach ($tool in 'dotnet', 'cmake', 'ninja') {
        if (-not (Get-Command $tool -ErrorAction SilentlyContinue)) { throw "$tool is missing; install it and run again." }
    }
}

function Build-Native([string]$Preset = 'release') {
    Write-Host "==> native: preset $Preset"
    Invoke-Checked cmake @('--preset', $Preset)
    Invoke-Checked cmake @('--build', '--preset', $Preset)
}

function Build-Managed {
    Write-Host '==> managed: NativeQuant.sln'
    $restore = @('restore', 'NativeQuant.sln', '-v', 'quiet')
    if ($env:CI -eq 'true') { $restore += '--locked-mode' }
    Invoke-Checked dotnet $restore
    Invoke-Checked dotnet @('build', 'NativeQuant.sln', '-c', 'Release', '--no-restore', '-v', 'quiet')
    Invoke-Checked dotnet @('publish', 'managed/NativeQuant.Cli', '-c', 'Release', '--no-build', '-v', 'quiet', '-o', 'artifacts/cli')
}

function Build-Pack {
    Write-Host '==> pack: artifacts/packages'
    Remove-Item -Recurse -Force artifacts/packages -ErrorAction SilentlyContinue
    Invoke-Checked dotnet @('pack', 'NativeQuant.sln', '-c', 'Release', '--no-build', '-v', 'quiet', '-o', 'artifacts/packages')
}

function Build-Sample {
    Invoke-Checked dotnet @('artifacts/cli/NativeQuant.Cli.dll', 'compare', $sample, '--text', "$sample/own-text.txt")
}

$script:sums = @{ passed = 0; failed = 0; skipped = 0 }

# A run that failed without a failed test, or ran nothing, is itself a failure.
function Add-Counts([string]$Name, [int]$Status, [int]$Passed, [int]$Failed, [int]$Skipped) {
    if (($Failed -eq 0 -and $Status -ne 0) -or ($Passed + $Failed + $Skipped -eq 0)) { $Failed = 1 }
    $script:sums.passed += $Passed
    $script:sums.failed += $Failed
    $script:sums.skipped += $Skipped
    Write-Host "${Name}: $Passed passed, $Failed failed, $Skipped skipped"
}

function Test-Native {
    Write-Host '==> test: native'
    $report = Join-Path $results 'native.xml'
    & ctest --preset release --output-junit $report
    $status = $LASTEXITCODE
    if (-not (Test-Path $report)) { Add-Counts native 1 0 0 0; return }
    $suite = ([xml](Get-Content $report)).testsuite
    $skipped = [int]$suite.skipped + [int]$suite.disabled
    Add-Counts native $status ([int]$suite.tests - [int]$suite.failures - $skipped) ([int]$suite.failures) $skipped
}

function Test-Managed([string]$Project) {
    $name = [IO.Path]::GetFileNameWithoutExtension($Project)
    Write-Host "==> test: $name"
    & dotnet test $Project -c Release --no-build --nologo -v quiet --results-directory $results `
        --logger "trx;LogFileName=$name.trx" --logger 'console;verbosity=minimal'
    $status = $LASTEXITCODE
    $report = Join-Path $results "$name.trx"
    if (-not (Test-Path $report)) { Add-Counts $name 1 0 0 0; return }
    $counters = ([xml](Get-Content $report)).TestRun.ResultSummary.Counters
    Add-Counts $name $status ([int]$counters.passed) ([int]$counters.executed - [int]$counters.passed) ([int]$counters.total - [int]$counters.executed)
}

function Build-Test {
    Build-Setup
    Build-Native
    Build-Managed
    Build-Pack
    Remove-Item -Recurse -Force $results -ErrorAction SilentlyContinue
    New-Item -ItemType Directory $results | Out-Null
    Test-Native
    Get-ChildItem tests/*.Tests/*.csproj | ForEach-Object { Test-Managed $_.FullName }
    Write-Host "$($sums.passed) passed, $($sums.failed) failed, $($sums.skipped) skipped"
    if ($sums.failed -ne 0) { exit 1 }
}

function Build-Bench {
    Build-Native
    Build-Managed
    Get-ChildItem build/release/native/bench/*_bench* -File | ForEach-Object { Invoke-Checked $_.FullName $Rest }
    Invoke-Checked dotnet @('run', '-c', 'Release', '--no-build', '--project', 'tests/NativeQuant.Benchmarks')
}

function Build-Format {
    $sources = @(git ls-files 'native/*.h' 'native/*.cpp' 'native/*.c')
    if ($Rest -contains '--check') {
        Invoke-Checked clang-format (@('--dry-run', '--Werror') + $sources)
        Invoke-Checked dotnet @('format', 'NativeQuant.sln', '--verify-no-changes', '--no-restore')
    } else {
        Invoke-Checked clang-format (@('-i') + $sources)
        Invoke-Checked dotnet @('format', 'NativeQuant.sln', '--no-restore')
    }
}

switch ($Verb) {
    'all' { Build-Setup; Build-Native; Build-Managed; Build-Sample }
    'setup' { Build-Setup }
    'native' { Build-Native @Rest }
    'managed' { Build-Managed }
    'bindings' { Invoke-Checked dotnet (@('run', '-c', 'Release', '--project', 'bindings/NativeQuant.BindingGenerator', '--') + $Rest) }
    'test' { Build-Test }
    'pack' { Build-Native; Build-Managed; Build-Pack }
    'bench' { Build-Bench }
    'format' { Build-Format }
    'clean' {
        Remove-Item -Recurse -Force build, artifacts -ErrorAction SilentlyContinue
        Get-ChildItem managed, packaging, bindings, tests -Directory | ForEach-Object {
            Remove-Item -Recurse -Force "$($_.FullName)/bin", "$($_.FullName)/obj" -ErrorAction SilentlyContinue
        }
    }
    'help' { Write-Host 'usage: ./build.ps1 [all | setup | native [PRESET] | managed | bindings | test | pack | bench [ARGS] | format [--check] | clean | help]' }
    default { throw "unknown verb '$Verb'; see ./build.ps1 help" }
}
