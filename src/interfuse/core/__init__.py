"""What every floor uses: errors, registry, settings, seeds, designs, `Tokens`, `Fused`, progress and records."""
